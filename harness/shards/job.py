"""The Job of a sharded suite."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from harness.core.errors import UsageError
from harness.wasmbed.resources.api import Object

__all__ = ["FETCH", "INDEX", "JOB_NAME", "RELEASE", "Suite", "job"]

JOB_NAME = "batch.kubernetes.io/job-name"
"""The label of a Job's pods."""
INDEX = "batch.kubernetes.io/job-completion-index"
"""The annotation of a pod with its index."""
RESULTS = "/results"
_PROGRAM = ("/usr/bin/python3", "-P", "-m", "harness.shards.in_pod")
FETCH = (*_PROGRAM, "fetch", RESULTS)
RELEASE = (*_PROGRAM, "release", RESULTS)
_OWN = ("--shard", "--reports")
"""Options of pytest that each shard is given."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite, as ``pytest ARGUMENTS`` in ``shards`` pods of ``image``.

    ``cpu`` and ``memory`` are quantities as Kubernetes writes them, what each pod gets. ``within``: seconds for all.
    """

    arguments: Sequence[str]
    shards: int
    image: str
    cpu: str = "2"
    memory: str = "4Gi"
    within: float = 7200.0

    def check(self) -> None:
        """Raise UsageError for an argument of pytest that is given to each shard anyway."""
        for argument in self.arguments:
            if argument.partition("=")[0] in _OWN:
                raise UsageError("each shard is given its own", where=argument, do="leave it out; see --shards, --into")


def job(suite: Suite, name: str) -> Object:
    """The manifest of the Job ``name``, which runs the suite."""
    made = deepcopy(_template())
    made["metadata"]["name"] = name
    made["spec"] |= {
        "completions": suite.shards,
        "parallelism": suite.shards,
        "maxFailedIndexes": suite.shards,
        "activeDeadlineSeconds": max(1, round(suite.within)),
    }
    (container,) = made["spec"]["template"]["spec"]["containers"]
    container["image"] = suite.image
    container["command"] = [*_PROGRAM, "run", RESULTS]
    container["args"] = [*suite.arguments, f"--shard=$(JOB_COMPLETION_INDEX)/{suite.shards}", "-p", "no:cacheprovider"]
    container["readinessProbe"]["exec"] = {"command": [*_PROGRAM, "ready", RESULTS]}
    given = {"cpu": suite.cpu, "memory": suite.memory}
    container["resources"] = {
        "requests": {**given, "ephemeral-storage": "512Mi"},
        "limits": {**given, "ephemeral-storage": "4Gi"},
    }
    return made


@cache
def _template() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((files(__package__) / "job.yaml").read_text("utf-8"))
    return found

"""The one place that reads options, whichever front door they come through.

A field of :class:`StackOptions` is at once a pytest option (``--heartbeat``), an environment variable
(``WASMBED_HEARTBEAT``) and a keyword of the ``stack`` marker.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError

__all__ = ["StackOptions"]


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError("must not be negative")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError("must be a positive number of seconds")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def _name(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What one test's world is made of. Made by :meth:`parse` from text, or directly from values."""

    boards: str = field(
        default="virtual",
        metadata={"parse": _name, "help": "tier of the boards: virtual, qemu, renode, serial", "metavar": "TIER"},
    )
    cluster: str = field(
        default="embedded",
        metadata={"parse": _name, "help": "where the Kubernetes API lives: embedded, kubeconfig", "metavar": "KIND"},
    )
    seed: int | None = field(
        default=None, metadata={"parse": _seed, "help": "seed of everything random but keys", "metavar": "N"}
    )
    kubeconfig: Path | None = field(
        default=None,
        metadata={"parse": Path, "help": "kubeconfig of the cluster, for --cluster=kubeconfig", "metavar": "PATH"},
    )
    heartbeat: float = field(
        default=30.0,
        metadata={"parse": _seconds, "help": "seconds between two heartbeats of a device", "metavar": "SECONDS"},
    )
    deadline: float = field(
        default=300.0,
        metadata={"parse": _seconds, "help": "seconds that the body of one test may take", "metavar": "SECONDS"},
    )
    fleet: int = field(
        default=5, metadata={"parse": _count, "help": "boards in the scenarios about fleets", "metavar": "N"}
    )
    reports: Path = field(
        default=Path("reports"),
        metadata={"parse": Path, "help": "folder for the histories and the page of each run", "metavar": "FOLDER"},
    )
    modules: Path = field(
        default=Path("scenarios/modules"),
        metadata={"parse": Path, "help": "folder of WebAssembly modules, text or binary", "metavar": "FOLDER"},
    )

    @classmethod
    def parse(cls, given: Mapping[str, str | None], environment: Mapping[str, str]) -> StackOptions:
        """Options from text: what was ``given`` goes before ``WASMBED_<NAME>`` in ``environment``.

        Raises UsageError naming the option, its value and what it must be.
        """
        values: dict[str, Any] = {}
        for option in dataclasses.fields(cls):
            variable = f"WASMBED_{option.name.upper()}"
            text, where = given.get(option.name), f"--{option.name}"
            if text is None:
                text, where = environment.get(variable), variable
            if text is None:
                continue
            try:
                values[option.name] = option.metadata["parse"](text)
            except ValueError as error:
                raise UsageError(
                    f"{text!r} is not possible: {error}",
                    where=where,
                    do=f"give {option.metadata['metavar']}: {option.metadata['help']}",
                ) from error
        return cls(**values)

    def replace(self, **changes: Any) -> StackOptions:
        """These options with some changed; raises UsageError for a name that is no option."""
        known = [option.name for option in dataclasses.fields(self)]
        if unknown := sorted(set(changes) - set(known)):
            raise UsageError(f"no such option: {', '.join(unknown)}", do=f"the options are {', '.join(known)}")
        return dataclasses.replace(self, **changes)

    def arguments(self) -> list[str]:
        """The command line that gives these options again; defaults left out."""
        return [
            f"--{option.name}={value}"
            for option in dataclasses.fields(self)
            if (value := getattr(self, option.name)) != option.default
        ]

"""A system with two phases and without Applications: the small gateway, which answers an enrollment by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from harness.stack.options import StackOptions
from harness.wasmbed.resources.kinds import load_crds
from tests.gateways.commands import described
from tests.gateways.test_small_gateway import PROGRAM, TABLE

__all__ = ["two_phases"]

GROUP = "small.example.org"
PHASES = ("Connected", "Disconnected")
FIELDS = ("enrolledAt", "enrollments", "conditions", "observedGeneration", "deviceInfo", "applications", "health")
"""Fields of a Device that it lacks."""
SYSTEM = f"""
lacks = ["gateway-stop"]

[resources]
group = "{GROUP}"
definitions = ["crds.yaml"]
Application = false

[resources.Device.phases]
Pending = false
Enrolling = false
Enrolled = false
Failed = false

[resources.Device.fields]
{"".join(f'"status.{name}" = false{chr(10)}' for name in FIELDS)}
"""
ENROLLS = """        with ask("GET", f"devices?watch=true&fieldSelector=metadata.name={self.name}") as events:
            next(event for event in map(json.loads, events) if event["object"]["status"]["phase"] == "Enrolled")
"""


def two_phases(folder: Path, *changes: tuple[str, str], phases: Sequence[str] = PHASES) -> StackOptions:
    """Options of a stack with it. ``changes``: texts of the program, and those in their place. ``phases``: those of
    its definition."""
    text = PROGRAM.read_text("utf-8")
    for old, new in (
        ("wasmbed.io/v1", f"{GROUP}/v1"),
        (ENROLLS, ""),
        ('phase="Enrolling", ', ""),
        ('in ("Enrolled", "Connected")', '== "Connected"'),
        ('"health": "unknown", ', ""),
        ('status |= {"health": "healthy" if fields[2] == "running" else "degraded", "lastHeartbeat": now()}', _BEAT),
        *changes,
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    program = folder / "gateway.py"
    program.write_text(text, "utf-8")
    (folder / "system.toml").write_text(SYSTEM, "utf-8")
    (folder / "crds.yaml").write_text(
        yaml.safe_dump_all(filter(None, (_own(each, phases) for each in load_crds()))), "utf-8"
    )
    table = TABLE.replace(str(PROGRAM), str(program)).replace("wasmbed.io", GROUP)
    return described(folder, table, "small")


_BEAT = 'status |= {"lastHeartbeat": now()}'


def _own(definition: dict[str, Any], phases: Sequence[str]) -> dict[str, Any] | None:
    """The definition of a type of this system, made from the documents' one."""
    spec = definition["spec"]
    if spec["names"]["kind"] == "Application":
        return None
    version = spec["versions"][0]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]
    if spec["names"]["kind"] == "Device":
        phase = status["properties"]["phase"]
        phase.pop("default", None)
        phase["enum"] = list(phases)
        for name in FIELDS:
            del status["properties"][name]
    name = f"{spec['names']['plural']}.{GROUP}"
    served = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
    return {
        "apiVersion": definition["apiVersion"],
        "kind": definition["kind"],
        "metadata": {"name": name},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": spec["names"],
            "versions": [{**served, "schema": version["schema"], "selectableFields": []}],
        },
    }

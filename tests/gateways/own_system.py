"""A system whose resource types are its own: another group, other kinds, fields, and phases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from harness.wasmbed.resources.kinds import load_crds

__all__ = ["GROUP", "PHASES", "write_form", "write_system"]

GROUP, VERSION = "iot.example.org", "v1beta1"
_NAMES = {"Device": ("Thing", "things"), "Application": ("Program", "programs"), "Gateway": ("Hub", "hubs")}
PHASES = {
    "Device": {"Enrolling": "joining", "Enrolled": "joined", "Connected": "online", "Disconnected": "offline"},
    "Gateway": {"Online": "up", "Offline": "down"},
}
SYSTEM = f"""
wire = "1"
lacks = ["gateway-pairing"]

[resources]
group = "{GROUP}"
version = "{VERSION}"
definitions = ["crds.yaml"]

[resources.Device]
kind = "Thing"
plural = "things"
fields = {{ "status.phase" = "status.state", "spec.mcuType" = "spec.chip", "status.deviceId" = "status.identity.uuid" }}

[resources.Device.phases]
Enrolling = "joining"
Enrolled = "joined"
Connected = "online"
Disconnected = "offline"

[resources.Application]
kind = "Program"
plural = "programs"

[resources.Application.fields]
"status.phase" = "status.state"
"status.deviceStatuses" = "status.things"
"status.deviceStatuses.*.state" = "status.things.*.is"

[resources.Gateway]
kind = "Hub"
plural = "hubs"
fields = {{ "status.phase" = "status.state" }}
phases = {{ Online = "up", Offline = "down" }}
"""


def write_system(folder: Path) -> Path:
    """Write ``system.toml`` and the definitions; returns the file."""
    (folder / "crds.yaml").write_text(yaml.safe_dump_all(map(_own, load_crds())), "utf-8")
    file = folder / "system.toml"
    file.write_text(SYSTEM, "utf-8")
    return file


def write_form(folder: Path) -> Path:
    """Write the same names as the gateway in Go reads them; returns the file."""
    form = {
        "api": f"{GROUP}/{VERSION}",
        "kinds": {kind: own for kind, (own, _) in _NAMES.items()},
        "plurals": {"devices": "things", "gateways": "hubs"},
        "phases": {**PHASES["Device"], **PHASES["Gateway"]},
        "fields": {"phase": "state", "mcuType": "chip", "deviceId": "identity.uuid"},
    }
    file = folder / "form.json"
    file.write_text(json.dumps(form), "utf-8")
    return file


def _own(definition: dict[str, Any]) -> dict[str, Any]:
    """The definition of a type of this system, made from the documents' one, without columns and selectable fields."""
    theirs = definition["spec"]["names"]["kind"]
    kind, plural = _NAMES[theirs]
    version = definition["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    spec = schema["properties"]["spec"]["properties"]
    status = schema["properties"]["status"]["properties"]
    phase = status.pop("phase")
    names = PHASES.get(theirs, {})
    status["state"] = {**phase, "enum": [names.get(each, each) for each in phase["enum"]]}
    if theirs == "Device":
        spec["chip"] = spec.pop("mcuType")
        status["identity"] = {"type": "object", "properties": {"uuid": status.pop("deviceId")}}
    if theirs == "Application":
        entries = status["things"] = status.pop("deviceStatuses")
        fields = entries["additionalProperties"]["properties"]
        fields["is"] = fields.pop("state")
    served = {"name": VERSION, "served": True, "storage": True, "subresources": {"status": {}}}
    return {
        "apiVersion": definition["apiVersion"],
        "kind": definition["kind"],
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [{**served, "schema": version["schema"]}],
        },
    }

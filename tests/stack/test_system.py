"""``system.toml``: the file of the reference is complete; a wrong one is refused with its line and the nearest name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import UsageError
from harness.stack.backends import lacking
from harness.stack.gateway_choice import find_gateway
from harness.stack.options import StackOptions
from harness.stack.system import System, read_system
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, load_crds
from harness.wasmbed.resources.phases import MOVES

REFERENCE = files("harness.stack").joinpath("reference.toml").read_text("utf-8")


def read(folder: Path, text: str) -> System:
    """The system of a file with that text."""
    file = folder / "system.toml"
    file.write_text(text, "utf-8")
    return read_system(file, "a test")


def fields(schema: dict[str, Any], path: str) -> Iterator[str]:
    """The paths of a schema's fields."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from fields(inner, f"{path}.{name}")
    for inner in (schema.get("additionalProperties"), schema.get("items")):
        if isinstance(inner, dict):
            yield from fields(inner, f"{path}.*")


def test_the_reference_file_has_every_field_and_phase(tmp_path: Path) -> None:
    """It changes nothing, and every name that it has can be another one."""
    assert not read(tmp_path, REFERENCE).mapping
    text = re.sub(r'^(?:(\w+)|"((?:spec|status)\.\S+)") = "(.+)"$', _renamed, REFERENCE, flags=re.MULTILINE)
    mapping = read(tmp_path, text.replace('wire = "1x"', 'wire = "1"')).mapping
    for definition, resource in zip(load_crds(), MOVES, strict=True):
        properties = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        form = mapping.form(resource)
        assert form is not None
        assert form.own == Resource("wasmbed.iox", "v1x", f"{resource.plural}x", f"{resource.kind}x")
        known = {path for part in ("spec", "status") for path in fields(properties[part], part)}
        assert {".".join(ours) for ours, _ in form.moves} == known
        assert form.phases == {phase: f"{phase}x" for phase in MOVES[resource]}


def _renamed(line: re.Match[str]) -> str:
    """A line with another value: an ``x`` after each step of a path, or after a name."""
    name = line[1] or f'"{line[2]}"'
    own = re.sub(r"(?<=\.)(\w+)", r"\1x", line[3]) if line[2] else f"{line[3]}x"
    return f'{name} = "{own}"'


def test_a_field_moves_with_what_holds_it(tmp_path: Path) -> None:
    text = '[resources.Application.fields]\n"status.statistics" = "status.stats"\n"status.deviceStatuses.*.state" = '
    form = read(tmp_path, f'{text}"status.deviceStatuses.*.status"').mapping.form(APPLICATION)
    assert form is not None
    assert len(form.moves) == 2
    own = {"status": {"stats": {"target": 1}, "deviceStatuses": {"d": {"status": "failed"}}}}
    ours = {"status": {"statistics": {"target": 1}, "deviceStatuses": {"d": {"state": "failed"}}}}
    assert form.to_documents(own) == ours


def test_each_kind_may_have_a_group_of_its_own(tmp_path: Path) -> None:
    text = '[resources]\ngroup = "wasmbed.github.io"\nversion = "v0"\n[resources.Application]\nversion = "v1alpha1"\n'
    mapping = read(tmp_path, text).mapping
    versions = [form.own.api_version for form in mapping.forms]
    assert versions == ["wasmbed.github.io/v0", "wasmbed.github.io/v1alpha1", "wasmbed.github.io/v0"]


def test_a_system_may_lack_kinds_phases_and_fields(tmp_path: Path) -> None:
    text = (
        "[resources]\nApplication = false\n[resources.Device.phases]\nEnrolling = false\nPending = 'new'\n"
        "[resources.Device.fields]\n'status.deviceInfo' = false\n[resources.Gateway.fields]\n'status.error' = false"
    )
    system = read(tmp_path, text)
    lacks = {"Application", "Device Enrolling", "Device status.deviceInfo", "Gateway status.error"}
    assert system.extent.lacks == lacks
    assert not system.extent.has("Device status.deviceInfo.memory")
    assert system.lacks == {"applications", "device-fields", "device-phases", "gateway-fields"}
    form = system.mapping.form(DEVICE)
    assert form is not None
    assert form.to_own({"status": {"phase": "Enrolling", "gateway": "g"}}) == {"status": {"gateway": "g"}}
    assert form.to_documents({"status": {"phase": "new"}}) == {"status": {"phase": "Pending"}}


def test_a_system_may_lack_gateways(tmp_path: Path) -> None:
    system = read(tmp_path, "[resources]\nGateway = false")
    assert system.extent.lacks == {"Gateway"}
    assert system.lacks == {"gateway-fields"}


@pytest.mark.parametrize("kind", ["reference", "process"])
def test_the_reference_gateway_writes_every_phase(kind: str, tmp_path: Path) -> None:
    (tmp_path / "system.toml").write_text("[resources.Device.phases]\nEnrolled = false\n", "utf-8")
    file = tmp_path / "harness.toml"
    file.write_text(f"[gateways.mine]\nkind = '{kind}'\nsystem = 'system.toml'\n", "utf-8")
    with pytest.raises(UsageError, match=f"a gateway of kind {kind} does not work without Device Enrolled"):
        find_gateway(StackOptions(gateway="mine", gateway_file=file))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("\nlack = []", 2, "unknown field 'lack'\n  -> did you mean 'lacks'?"),
        ("wire = '2'", 1, "unknown wire '2'\n  -> the wires are '1', 'u', 'r'"),
        ("\nlacks = ['gateway-paring']", 2, "unknown feature 'gateway-paring'\n  -> did you mean 'gateway-pairing'?"),
        ("resources = 1", 1, "resources is not a table\n  -> write [resources]"),
        ("[resources.Divice]", 1, "unknown field 'Divice'\n  -> did you mean 'Device'?"),
        ("[resources]\n\ngroup = 'a b'", 3, "'a b' is not a name\n  -> write the group as the definition has it"),
        ("[resources.Gateway]\nplural = ''\n", 2, "'' is not a name"),
        (
            "[resources.Gateway.fields]\n'status.phase' = 'status.a'\n[resources.Device.fields]\n'status.fase' = 'a'",
            4,
            "unknown field 'status.fase'\n  -> did you mean 'status.phase'?",
        ),
        (
            "[resources.Device]\n\nfields = { 'status.fase' = 'status.a' }",
            3,
            "unknown field 'status.fase'\n  -> did you mean 'status.phase'?",
        ),
        (
            "[resources.Device.fields]\n'status.phase' = 'state'",
            2,
            "'state' is not the path of a field as status.phase is",
        ),
        ("[resources.Device.fields]\n'status.phase' = 'status.*.state'", 2, "is not the path of a field"),
        (
            "[resources.Device.fields]\n'status.phase' = 'status.error'",
            2,
            "status.phase is at 'status.error', and status.error too\n  -> name another path for one of them",
        ),
        (
            "[resources.Device.fields]\n'status.phase' = 'status.error.phase'",
            2,
            "status.error is at 'status.error', and status.phase inside of it, at 'status.error.phase'",
        ),
        (
            "[resources.Device.phases]\nConected = 'online'",
            2,
            "unknown field 'Conected'\n  -> did you mean 'Connected'?",
        ),
        ("[resources.Device.phases]\nConnected = 'Enrolled'", 2, "Enrolled and Connected are both 'Enrolled'"),
        ("[resources]\ndefinitions = ['no.yaml']", 2, "no.yaml cannot be read: No such file"),
        ("[resources]\ndefinitions = ['system.toml']", 2, "system.toml cannot be read: "),
        ("resources.Device.kind = 3", 1, "3 is not a name"),
        ("[resources]\nDevice = false", 2, "Device is not a table"),
        ("[resources.Device.fields]\n'status.phase' = false", 2, "False is not the path of a field as status.phase is"),
        (
            "[resources.Device.fields]\n'status.deviceInfo' = false\n'status.deviceInfo.memory' = 'status.ram'",
            3,
            "status.deviceInfo.memory is in a field that is false\n  -> leave out one of them",
        ),
        ("[resources.Gateway.phases]\nPending = false\nOnline = false\nOffline = false", 1, "Gateway has no phase"),
        ("[", 0, "invalid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(text: str, line: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        read(tmp_path, text)
    assert caught.value.where == str(tmp_path / "system.toml") + (f":{line}" if line else "")


def test_a_system_may_lack_features_of_boards_too(tmp_path: Path) -> None:
    (tmp_path / "system.toml").write_text("lacks = ['csr']\n", "utf-8")
    file = tmp_path / "harness.toml"
    file.write_text("[gateways.mine]\nkind = 'reference'\nsystem = 'system.toml'\n", "utf-8")
    options = StackOptions(gateway="mine", gateway_file=file)
    assert lacking(options, ["csr", "tls"]) == "the system of --gateway=mine has no csr"
    assert lacking(options, ["tls"]) is None

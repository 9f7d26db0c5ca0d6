"""The definitions against the code that reads and writes their fields."""

from __future__ import annotations

import re

import pytest

from harness.wasmbed.resources import view_fields, views
from harness.wasmbed.resources.deployments import DeploymentRequest
from harness.wasmbed.resources.durations import DURATION
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY, load_crds
from harness.wasmbed.resources.phases import MOVES
from harness.wasmbed.resources.views import ApplicationConfig

CRDS = dict(zip((DEVICE, APPLICATION, GATEWAY), load_crds(), strict=True))
STRUCTURES = [
    (DEVICE, "spec", views.DeviceSpec),
    (DEVICE, "spec.board", views.BoardSpec),
    (DEVICE, "status", views.DeviceStatus),
    (DEVICE, "status.board", views.BoardStatus),
    (APPLICATION, "spec", views.ApplicationSpec),
    (APPLICATION, "spec.config", views.ApplicationConfig),
    (APPLICATION, "status", views.ApplicationStatus),
    (APPLICATION, "status.statistics", views.Statistics),
    (APPLICATION, "status.deviceStatuses.*", views.DeviceEntry),
    (APPLICATION, "status.deviceStatuses.*.deployment", views.DeploymentRecord),
    (GATEWAY, "spec", views.GatewaySpec),
    (GATEWAY, "spec.config", views.GatewayConfig),
    (GATEWAY, "spec.pairing", views.GatewayPairing),
    (GATEWAY, "status", views.GatewayStatus),
]


def version(resource):
    (only,) = CRDS[resource]["spec"]["versions"]
    return only


def schema_at(resource, path):
    schema = version(resource)["schema"]["openAPIV3Schema"]
    for step in path.split("."):
        schema = schema["additionalProperties"] if step == "*" else schema["properties"][step]
    return schema


def every_schema(schema, path=""):
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from every_schema(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from every_schema(schema[key], f"{path}.{key}")


@pytest.mark.parametrize("resource", CRDS, ids=lambda resource: resource.kind)
def test_names_agree_with_the_constants(resource) -> None:
    spec = CRDS[resource]["spec"]
    assert CRDS[resource]["metadata"]["name"] == f"{resource.plural}.{resource.group}"
    assert (spec["group"], spec["names"]["plural"], spec["names"]["kind"]) == (
        resource.group,
        resource.plural,
        resource.kind,
    )
    assert spec["scope"] == "Namespaced"
    assert version(resource)["name"] == resource.version
    assert version(resource)["subresources"] == {"status": {}}


def test_short_names_are_distinct() -> None:
    names = [name for crd in CRDS.values() for name in crd["spec"]["names"]["shortNames"]]
    assert sorted(names) == ["app", "apps", "dev", "gw"]


@pytest.mark.parametrize("resource", CRDS, ids=lambda resource: resource.kind)
def test_schemas_are_structural(resource) -> None:
    for path, schema in every_schema(version(resource)["schema"]["openAPIV3Schema"]):
        assert "type" in schema, f"{path} has no type"
        for branch in schema.get("oneOf", ()):
            assert set(branch) == {"required"}, f"{path}: only value validation may stand inside oneOf"


@pytest.mark.parametrize("resource", CRDS, ids=lambda resource: resource.kind)
def test_columns_and_selectable_fields_exist(resource) -> None:
    paths = [column["jsonPath"] for column in version(resource)["additionalPrinterColumns"]]
    paths += [field["jsonPath"] for field in version(resource)["selectableFields"]]
    for path in paths:
        if not path.startswith(".metadata"):
            schema_at(resource, path.removeprefix("."))


@pytest.mark.parametrize("resource", CRDS, ids=lambda resource: resource.kind)
def test_the_phases_are_those_of_the_table(resource) -> None:
    phase = schema_at(resource, "status.phase")
    assert phase["enum"] == list(MOVES[resource])
    assert phase["default"] == next(iter(MOVES[resource]))


@pytest.mark.parametrize(("resource", "path", "view"), STRUCTURES, ids=lambda value: getattr(value, "__name__", None))
def test_every_field_of_a_view_is_in_the_schema(resource, path, view) -> None:
    declared = {field._key for field in vars(view).values() if isinstance(field, view_fields.Field)}
    assert declared <= schema_at(resource, path)["properties"].keys()
    assert declared


def test_defaults_of_the_config_view_are_those_of_the_schema() -> None:
    properties = schema_at(APPLICATION, "spec.config")["properties"]
    config = ApplicationConfig({})
    written = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    assert written == {
        "memoryLimit": config.memory_limit,
        "fuel": config.fuel,
        "timeLimit": config.time_limit,
        "autoRestart": config.auto_restart,
        "maxRestarts": config.max_restarts,
        "entry": config.entry,
    }


def test_the_largest_module_fits_in_base64() -> None:
    assert schema_at(APPLICATION, "spec.wasmBytes")["maxLength"] == -(-(1 << 20) // 3) * 4


def test_a_reference_is_the_hash_of_the_module() -> None:
    pattern = schema_at(APPLICATION, "spec.wasmRef")["pattern"]
    request = DeploymentRequest(module=b"\0asm", memory=1, fuel=1, wall_time=1)
    assert re.fullmatch(pattern, request.sha256.hex())
    assert not re.fullmatch(pattern, request.sha256.hex().upper())


def test_durations_have_one_pattern() -> None:
    times = schema_at(GATEWAY, "spec.config")["properties"]
    assert {each["pattern"] for each in times.values()} == {DURATION}


def test_changing_a_copy_does_not_change_the_next() -> None:
    load_crds()[0]["spec"].clear()
    assert load_crds()[0]["spec"]

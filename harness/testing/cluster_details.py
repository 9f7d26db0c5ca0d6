"""Rules for cluster kinds that are easily left out. Each function is one check; its docstring is the rule."""

from __future__ import annotations

from harness.core.errors import ProductFailure
from harness.testing.cluster_fixture import COLLECTED_WITHIN, ClusterFixture, refused
from harness.testing.require import require
from harness.wasmbed.resources.api import ApiError, Conflict, Invalid, NotFound, Object, Resource
from harness.wasmbed.resources.kinds import CONFIG_MAP, CUSTOM_RESOURCE_DEFINITION, DEVICE, LEASE

__all__ = [
    "creates_by_replacing",
    "keeps_microseconds",
    "limits_data",
    "refuses_wrong_types",
    "reserves_names",
    "serves_new_types",
]

_MEBIBYTE = 1 << 20
_TRY_AGAIN = 0.05
"""Seconds between two requests for a type that is not served yet."""


async def keeps_microseconds(fixture: ClusterFixture) -> None:
    """Times of a Lease have exactly six digits after the point; others are refused with 400, and durations of 0 with
    422."""
    name, spec = fixture.name("lease"), {"holderIdentity": "a", "renewTime": "2026-01-01T00:00:00.123456Z"}
    made = await fixture.api.create(LEASE, {"metadata": {"name": name}, "spec": spec})
    require(made["spec"] == spec, f"the Lease's spec came back as {made['spec']}")
    for wrong in ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z"):
        async with refused(ApiError, f"a Lease renewed at {wrong}") as caught:
            await fixture.api.patch(LEASE, name, {"spec": {"renewTime": wrong}})
        require(caught[0].code in (400, 422), f"a time without microseconds was refused with {caught[0].code}")
    async with refused(Invalid, "a Lease of no duration"):
        await fixture.api.patch(LEASE, name, {"spec": {"leaseDurationSeconds": 0}})


async def creates_by_replacing(fixture: ClusterFixture) -> None:
    """A PUT makes a Lease that is not there; a ConfigMap or a Device it does not."""
    name = fixture.name("put")
    made = await fixture.api.replace(LEASE, name, {"metadata": {"name": name}, "spec": {}})
    require(made["metadata"].get("uid"), "a Lease made by a PUT has no uid")
    for resource in (CONFIG_MAP, DEVICE):
        body = fixture.device(name=name) if resource is DEVICE else {"metadata": {"name": name}}
        async with refused(NotFound, f"a PUT of a {resource.kind} that is not there"):
            await fixture.api.replace(resource, name, body)


async def reserves_names(fixture: ClusterFixture) -> None:
    """While an object is being deleted its name is taken, and the refusal says why."""
    name = fixture.name("ending")
    body: Object = {"metadata": {"name": name, "finalizers": ["example.org/keep"]}}
    await fixture.api.create(CONFIG_MAP, body)
    await fixture.api.delete(CONFIG_MAP, name)
    async with refused(Conflict, "an object of a name that is being deleted") as caught:
        await fixture.api.create(CONFIG_MAP, {"metadata": {"name": name}})
    require("object is being deleted" in str(caught[0]), f"the refusal says only: {caught[0]}")
    await fixture.api.patch(CONFIG_MAP, name, {"metadata": {"finalizers": None}})
    await fixture.api.create(CONFIG_MAP, {"metadata": {"name": name}})


async def limits_data(fixture: ClusterFixture) -> None:
    """The data of a ConfigMap are 1 MiB at most; more is refused with 422."""
    body: Object = {"metadata": {"name": fixture.name("large")}, "data": {"a": "x" * _MEBIBYTE}}
    await fixture.api.create(CONFIG_MAP, body)
    body = {"metadata": {"name": fixture.name("large")}, "data": {"a": "x" * (_MEBIBYTE + 1)}}
    async with refused(Invalid, "a ConfigMap of more than 1 MiB"):
        await fixture.api.create(CONFIG_MAP, body)


async def refuses_wrong_types(fixture: ClusterFixture) -> None:
    """A value of the wrong type in a built-in kind is refused with 400, and the message names the field."""
    async with refused(ApiError, "a number for a text") as caught:
        await fixture.api.create(CONFIG_MAP, {"metadata": {"name": fixture.name()}, "data": {"a": 1}})
    require(caught[0].code == 400, f"a number for a text was refused with {caught[0].code}")
    require("ConfigMap.data" in str(caught[0]), f"the refusal does not name the field: {caught[0]}")


async def serves_new_types(fixture: ClusterFixture) -> None:
    """A new CustomResourceDefinition's objects are served some time after it is created, and go with it."""
    group, kind = f"{fixture.randomness.token(4)}.check.example.org", "Gadget"
    gadgets = Resource(group, "v1", "gadgets", kind)
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    name = f"gadgets.{group}"
    spec = {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": "gadgets", "singular": "gadget", "kind": kind, "listKind": "GadgetList"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
    }
    await fixture.api.create(CUSTOM_RESOURCE_DEFINITION, {"metadata": {"name": name}, "spec": spec})
    try:
        gadget = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": "one"}, "size": 1}
        made = await _created(fixture, gadgets, gadget)
        require(made["size"] == 1, f"the object of a new type came back as {made}")
    finally:
        await fixture.api.delete(CUSTOM_RESOURCE_DEFINITION, name)
    await fixture.wait_until_deleted(CUSTOM_RESOURCE_DEFINITION, name, "a definition that was deleted")
    await _withdrawn(fixture, gadgets)


async def _withdrawn(fixture: ClusterFixture, resource: Resource) -> None:
    """Return when a type is served no longer; its definition may be gone some time before."""
    try:
        async with fixture.clock.deadline(COLLECTED_WITHIN):
            while True:
                await fixture.api.list(resource)
                await fixture.clock.sleep(_TRY_AGAIN)
    except NotFound:
        return
    except TimeoutError as error:
        raise ProductFailure(f"a type was served for {COLLECTED_WITHIN:g} s after its definition had gone") from error


async def _created(fixture: ClusterFixture, resource: Resource, body: Object) -> Object:
    """An object of a type that may not be served yet."""
    try:
        async with fixture.clock.deadline(COLLECTED_WITHIN):
            while True:
                try:
                    return await fixture.api.create(resource, body)
                except NotFound:
                    await fixture.clock.sleep(_TRY_AGAIN)
    except TimeoutError as error:
        raise ProductFailure(f"a new type was not served within {COLLECTED_WITHIN:g} s") from error

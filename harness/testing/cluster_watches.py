"""Checks of watches, tap and kubeconfig of a kind of cluster. Each function is one check, and its docstring is the
rule."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from harness.testing.cluster_fixture import ClusterFixture, TapCall, refused
from harness.testing.require import require
from harness.wasmbed.resources.api import ApiError, Conflict, WatchEvent
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.names import GROUP


async def tells_changes_in_order(fixture: ClusterFixture) -> None:
    """A watch reports each change after its resourceVersion once and in order."""
    before = await fixture.api.list(DEVICE)
    name = (await fixture.make_device())["metadata"]["name"]
    async with fixture.api.watch(DEVICE, resource_version=before.resource_version) as events:
        await fixture.api.patch(DEVICE, name, {"metadata": {"labels": {"a": "b"}}})
        await fixture.api.patch_status(DEVICE, name, {"status": {"phase": "Enrolling"}})
        await fixture.api.delete(DEVICE, name)
        seen = await fixture.events(events, 4)
    kinds = [event.type for event in seen]
    require(kinds == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"], f"the watch reported {kinds}")
    versions = [event.object["metadata"]["resourceVersion"] for event in seen]
    require(len(set(versions)) == 4, f"resourceVersions repeat: {versions}")
    require(seen[2].object["status"]["phase"] == "Enrolling", "a watch event lacks the change")


async def goes_on_where_it_stopped(fixture: ClusterFixture) -> None:
    """A watch from the last version seen misses nothing and repeats nothing."""
    name = (await fixture.make_device())["metadata"]["name"]
    field = f"metadata.name={name}"
    version = (await fixture.api.list(DEVICE, field_selector=field)).resource_version
    seen: list[str] = []
    for step in range(3):
        await fixture.api.patch(DEVICE, name, {"spec": {"firmwareVersion": f"{step}a"}})
        await fixture.api.patch(DEVICE, name, {"spec": {"firmwareVersion": f"{step}b"}})
        async with fixture.api.watch(DEVICE, resource_version=version, field_selector=field) as events:
            for event in await fixture.events(events, 2):
                seen.append(event.object["spec"]["firmwareVersion"])
                version = event.object["metadata"]["resourceVersion"]
    require(seen == ["0a", "0b", "1a", "1b", "2a", "2b"], f"three consecutive watches reported {seen}")


async def watches_a_selection(fixture: ClusterFixture) -> None:
    """A watch with selectors reports an object that begins to match as ADDED, and one that ceases to match as
    DELETED."""
    shelf = fixture.name("shelf")
    version = (await fixture.api.list(DEVICE)).resource_version
    async with fixture.api.watch(DEVICE, resource_version=version, label_selector=f"shelf={shelf}") as events:
        other = (await fixture.make_device(labels={"shelf": "other"}))["metadata"]["name"]
        name = (await fixture.make_device(labels={"shelf": shelf}))["metadata"]["name"]
        await fixture.api.patch(DEVICE, name, {"metadata": {"labels": {"shelf": "other"}}})
        await fixture.api.patch(DEVICE, other, {"metadata": {"labels": {"shelf": shelf}}})
        seen = [(event.type, event.object["metadata"]["name"]) for event in await fixture.events(events, 3)]
    require(seen == [("ADDED", name), ("DELETED", name), ("ADDED", other)], f"the watch reported {seen}")


async def serves_many_watchers(fixture: ClusterFixture) -> None:
    """Twenty watchers get the same events, each its own copy."""
    name = (await fixture.make_device())["metadata"]["name"]
    version = (await fixture.api.list(DEVICE)).resource_version
    async with AsyncExitStack() as stack:
        watches = [
            await stack.enter_async_context(
                fixture.api.watch(DEVICE, resource_version=version, field_selector=f"metadata.name={name}")
            )
            for _ in range(20)
        ]
        for step in range(3):
            await fixture.api.patch(DEVICE, name, {"spec": {"firmwareVersion": str(step)}})
        received: list[list[WatchEvent]] = await fixture.at_once(*(fixture.events(events, 3) for events in watches))
    versions = {tuple(event.object["spec"]["firmwareVersion"] for event in seen) for seen in received}
    require(versions == {("0", "1", "2")}, f"the watchers saw {sorted(versions)}")
    received[0][0].object["spec"]["firmwareVersion"] = "altered"
    require(received[1][0].object["spec"]["firmwareVersion"] == "0", "two watchers share an object")


async def tells_the_tap(fixture: ClusterFixture) -> None:
    """Writing requests, and deliveries of the three custom resources, reach the tap as documented."""
    version = (await fixture.api.list(DEVICE)).resource_version
    async with (
        fixture.api.watch(DEVICE, resource_version=version) as events,
        fixture.api.watch(DEVICE, resource_version=version) as others,
    ):
        start = len(fixture.calls)
        made = await fixture.make_device()
        name = made["metadata"]["name"]
        await fixture.api.patch_status(DEVICE, name, {"status": {"phase": "Enrolling"}})
        async with refused(Conflict, "a second object of one name"):
            await fixture.make_device(name=name)
        await fixture.api.get(DEVICE, name)
        await fixture.api.delete(DEVICE, name)
        await fixture.at_once(fixture.events(events, 3), fixture.events(others, 3))
    calls = [one for one in fixture.calls[start:] if one.correlation == name]
    requests = [one for one in calls if one.target == "Kubernetes"]
    found = [(one.source, one.name, one.data["code"], one.data["subresource"]) for one in requests]
    expected = [
        ("Checker", "POST Device", 201, ""),
        ("Checker", "PATCH Device", 200, "status"),
        ("Checker", "POST Device", 409, ""),
        ("Checker", "DELETE Device", 200, ""),
    ]
    require(found == expected, f"the tap got the requests {found}")
    place = {"namespace": fixture.api.namespace, "name": name}
    require(all(place.items() <= one.data.items() for one in requests), "a request at the tap lacks namespace or name")
    require(requests[0].data["spec"] == made["spec"], "a request at the tap lacks its spec")
    require(requests[1].data["status"] == {"phase": "Enrolling"}, "a request at the tap lacks its status")
    deliveries: list[TapCall] = [one for one in calls if one.source == "Kubernetes"]
    seen = [(one.target, one.name, one.data["status"].get("phase")) for one in deliveries]
    expected_deliveries = [
        ("Checker", "ADDED Device", "Pending"),
        ("Checker", "MODIFIED Device", "Enrolling"),
        ("Checker", "DELETED Device", "Enrolling"),
    ]
    require(seen == expected_deliveries, f"the tap got the deliveries {seen}")


async def tells_causes_first(fixture: ClusterFixture) -> None:
    """The tap gets a write before the event that it caused, also if the event arrives first."""
    given = fixture.device()
    name = given["metadata"]["name"]
    given["metadata"]["finalizers"] = [f"{GROUP}/check"]
    version = (await fixture.api.create(DEVICE, given))["metadata"]["resourceVersion"]
    field, steps, start = f"metadata.name={name}", range(20), len(fixture.calls)
    async with fixture.api.watch(DEVICE, resource_version=version, field_selector=field) as events:

        async def write() -> None:
            for step in steps:
                await fixture.api.patch_status(DEVICE, name, {"status": {"deviceStatus": str(step)}})
            await fixture.api.delete(DEVICE, name)
            await fixture.api.patch(DEVICE, name, {"metadata": {"finalizers": None}})

        await fixture.at_once(write(), fixture.events(events, len(steps) + 2))
    calls = [(one.name, one.data.get("status", {}).get("deviceStatus")) for one in fixture.calls[start:]]
    for step in map(str, steps):
        is_ordered = _in_order(calls, ("PATCH Device", step), ("MODIFIED Device", step))
        require(is_ordered, "a change came to the tap before its PATCH")
    last = steps[-1]
    require(calls.count(("MODIFIED Device", str(last))) == 2, "the tap lacks a deletion that waits for a finalizer")
    names = [what for what, _ in calls]
    end = names.index("DELETED Device")
    require("DELETE Device" in names[:end], "a deletion came to the tap before its DELETE")
    patches = names[:end].count("PATCH Device")
    require(patches == len(steps) + 1, "a deletion came to the tap before the PATCH that removed the finalizer")


def _in_order(calls: Sequence[object], cause: object, effect: object) -> bool:
    return cause in calls and effect in calls and calls.index(cause) < calls.index(effect)


async def writes_a_kubeconfig(fixture: ClusterFixture) -> None:
    """With the kubeconfig, and only with its credentials, other programs reach the same objects over a real socket."""
    made = await fixture.make_device()
    name = made["metadata"]["name"]
    with tempfile.TemporaryDirectory(prefix="wasmbed-check-") as folder:
        path = Path(folder) / "kubeconfig"
        await fixture.cluster.write_kubeconfig(path)
        require(path.stat().st_mode & 0o077 == 0, "other users can read the kubeconfig")
        outside = await KubernetesApi.open(fixture.api.namespace, kubeconfig=path, name="Outsider")
        try:
            require(await outside.get(DEVICE, name) == made, "an object differs over the socket")
            version = made["metadata"]["resourceVersion"]
            async with outside.watch(DEVICE, resource_version=version) as events:
                await fixture.api.patch(DEVICE, name, {"metadata": {"labels": {"a": "b"}}})
                seen = (await fixture.events(events, 1))[0].object
            require(seen["metadata"]["labels"] == {"a": "b"}, "a watch event lacks the change")
            await outside.patch_status(DEVICE, name, {"status": {"phase": "Enrolling"}})
        finally:
            await outside.close()
    found = await fixture.api.get(DEVICE, name)
    require(found["status"]["phase"] == "Enrolling", "a write over the socket was not stored")


async def refuses_what_it_does_not_know(fixture: ClusterFixture) -> None:
    """An unknown resource type is answered with 404."""
    unknown = type(DEVICE)(DEVICE.group, DEVICE.version, "nonsenses", "Nonsense")
    async with refused(ApiError, "a list of an unknown type") as caught:
        await fixture.api.list(unknown)
    require(caught[0].code == 404, f"the answer is {caught[0].code}, not 404")

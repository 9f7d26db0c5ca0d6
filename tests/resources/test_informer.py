from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import ManualClock
from harness.core.identifiers import Randomness
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import ApiError, Gone, WatchEvent
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import DEVICE


class Watched:
    """A client whose watches a test can break, and whose lists it can count."""

    def __init__(self, api):
        self.api, self.namespace = api, api.namespace
        self.lists, self.watches, self.list_faults, self.watch_faults = 0, 0, [], []
        self.breaking = asyncio.Event()
        self.last = None

    async def list(self, resource, **selectors):
        self.lists += 1
        if self.list_faults:
            raise self.list_faults.pop(0)
        return await self.api.list(resource, **selectors)

    @asynccontextmanager
    async def watch(self, resource, *, resource_version, **selectors):
        self.watches += 1
        self.last = resource_version
        if self.watch_faults:
            raise self.watch_faults.pop(0)
        async with self.api.watch(resource, resource_version=resource_version, **selectors) as events:
            yield self.until_broken(events)

    async def until_broken(self, events):
        while True:
            following = asyncio.ensure_future(anext(events))
            breaking = asyncio.ensure_future(self.breaking.wait())
            try:
                await asyncio.wait({following, breaking}, return_when=asyncio.FIRST_COMPLETED)
                if breaking.done():
                    self.breaking.clear()
                    fault = self.watch_faults.pop(0) if self.watch_faults else None
                    if fault is None:
                        return
                    raise fault
                yield following.result()
            finally:
                for task in (following, breaking):
                    task.cancel()
                await asyncio.wait({following, breaking})


class Seen:
    """The changes that a handler was called with."""

    def __init__(self) -> None:
        self.events = []

    def __call__(self, old, new):
        kind = "added" if old is None else "deleted" if new is None else "changed"
        self.events.append((kind, (new or old)["metadata"]["name"]))

    def take(self):
        events, self.events = self.events, []
        return events


def device(name, **labels):
    return manifests.device(name, public_key=b"\x30", device_type="mcu", labels=labels)


def make(cluster, clock, **options):
    api = Watched(cluster.client("Gateway"))
    informer = Informer(api, DEVICE, clock, Randomness(1), **options)
    seen = Seen()
    informer.add_handler(seen)
    return api, informer, seen


def status(**fields):
    return {"status": fields}


async def test_an_informer_holds_present_objects_and_follows_changes(
    cluster: EmbeddedCluster, clock: ManualClock
) -> None:
    user = cluster.client("User")
    await user.create(DEVICE, device("edge-1"))
    api, informer, seen = make(cluster, clock)
    await informer.start()
    await informer.start()
    assert list(informer.objects) == ["edge-1"]
    assert informer.get("edge-1")["kind"] == "Device"
    assert informer.get("edge-2") is None
    await user.create(DEVICE, device("edge-2"))
    await user.patch_status(DEVICE, "edge-2", status(phase="Enrolling"))
    await user.delete(DEVICE, "edge-1")
    await clock.advance(0)
    assert seen.take() == [("added", "edge-1"), ("added", "edge-2"), ("changed", "edge-2"), ("deleted", "edge-1")]
    assert informer.get("edge-2")["status"]["phase"] == "Enrolling"
    with pytest.raises(TypeError):
        informer.objects["edge-3"] = {}
    await informer.stop()
    await informer.stop()
    assert list(informer.objects) == ["edge-2"]
    assert api.lists == 1


async def test_an_object_that_leaves_the_selection_is_dropped(cluster: EmbeddedCluster, clock: ManualClock) -> None:
    user = cluster.client("User")
    _, informer, seen = make(cluster, clock, label_selector="site=lab")
    await informer.start()
    await user.create(DEVICE, device("edge-1", site="lab"))
    await user.create(DEVICE, device("edge-2", site="field"))
    await user.patch(DEVICE, "edge-1", {"metadata": {"labels": {"site": "field"}}})
    await clock.advance(0)
    assert seen.take() == [("added", "edge-1"), ("deleted", "edge-1")]
    await informer.stop()


@pytest.mark.parametrize("fault", [None, ConnectionResetError("reset"), ApiError({"code": 500}), RuntimeError("bug")])
async def test_a_broken_watch_continues_where_it_was(cluster: EmbeddedCluster, clock: ManualClock, fault) -> None:
    user = cluster.client("User")
    api, informer, seen = make(cluster, clock)
    await informer.start()
    await user.create(DEVICE, device("edge-1"))
    await clock.advance(0)
    if fault is not None:
        api.watch_faults += [fault, ConnectionRefusedError("still down")]
    api.breaking.set()
    await clock.advance(0)
    await user.create(DEVICE, device("edge-2"))
    assert seen.take() == [("added", "edge-1")]
    await clock.advance(1)
    assert seen.take() == [("added", "edge-2")]
    assert api.lists == 1
    assert not api.watch_faults
    await informer.stop()


async def test_after_a_version_that_is_too_old_handlers_see_only_differences(
    cluster: EmbeddedCluster, clock: ManualClock
) -> None:
    user = cluster.client("User")
    api, informer, seen = make(cluster, clock)
    for name in ("edge-1", "edge-2", "edge-3"):
        await user.create(DEVICE, device(name))
    relists: list[bool] = []
    informer.add_handler(lambda old, new: relists.append(informer.relists))
    await informer.start()
    seen.take()
    api.watch_faults += [Gone({"code": 410})]
    api.breaking.set()
    await clock.advance(0)
    await user.delete(DEVICE, "edge-1")
    await user.patch_status(DEVICE, "edge-2", status(phase="Enrolling"))
    await user.create(DEVICE, device("edge-4"))
    await clock.advance(1)
    assert sorted(seen.take()) == [("added", "edge-4"), ("changed", "edge-2"), ("deleted", "edge-1")]
    assert api.lists == 2
    await user.delete(DEVICE, "edge-4")
    await clock.advance(0)
    assert relists == [False] * 3 + [True] * 3 + [False]
    await informer.stop()


async def test_an_object_that_was_deleted_and_created_again_is_another(
    cluster: EmbeddedCluster, clock: ManualClock
) -> None:
    user = cluster.client("User")
    api, informer, _ = make(cluster, clock)
    await user.create(DEVICE, device("edge-1"))
    await informer.start()
    before = informer.get("edge-1")["metadata"]["uid"]
    api.watch_faults += [Gone({"code": 410})]
    api.breaking.set()
    await clock.advance(0)
    await user.delete(DEVICE, "edge-1")
    await user.create(DEVICE, device("edge-1"))
    await clock.advance(1)
    assert informer.get("edge-1")["metadata"]["uid"] != before
    await informer.stop()


async def test_an_informer_starts_when_the_server_does(cluster: EmbeddedCluster, clock: ManualClock) -> None:
    api, informer, _ = make(cluster, clock)
    api.list_faults += [ConnectionRefusedError("not yet")] * 5
    starting = asyncio.create_task(informer.start())
    await clock.advance(0.5)
    assert not starting.done()
    tries = api.lists
    await clock.advance(10)
    assert starting.done()
    assert tries < api.lists == 6
    await informer.stop()


async def test_an_unreachable_server_is_asked_with_growing_delays(cluster: EmbeddedCluster, clock: ManualClock) -> None:
    api, informer, _ = make(cluster, clock)
    api.list_faults += [ConnectionRefusedError("down")] * 1000
    starting = asyncio.create_task(informer.start())
    await clock.advance(600)
    assert 30 < api.lists < 140
    starting.cancel()
    await informer.stop()


async def test_a_server_that_closes_every_watch_at_once_is_not_flooded(
    cluster: EmbeddedCluster, clock: ManualClock
) -> None:
    api, informer, _ = make(cluster, clock)

    @asynccontextmanager
    async def empty(resource, **options):
        api.watches += 1

        async def nothing():
            for event in ():
                yield event

        yield nothing()

    api.watch = empty
    await informer.start()
    await clock.advance(10)
    assert api.watches < 250
    await informer.stop()


async def test_a_writer_reads_its_own_write_and_handlers_see_it_once(
    cluster: EmbeddedCluster, clock: ManualClock
) -> None:
    user = cluster.client("User")
    _, informer, seen = make(cluster, clock)
    await informer.start()
    await user.create(DEVICE, device("edge-1"))
    await clock.advance(0)
    written = await user.patch_status(DEVICE, "edge-1", status(phase="Enrolling"))
    informer.remember(written)
    assert informer.get("edge-1")["status"]["phase"] == "Enrolling"
    await clock.advance(1)
    assert seen.take() == [("added", "edge-1"), ("changed", "edge-1")]
    await informer.stop()


async def test_an_old_answer_does_not_replace_a_newer_form(cluster: EmbeddedCluster, clock: ManualClock) -> None:
    user = cluster.client("User")
    _, informer, _ = make(cluster, clock)
    await informer.start()
    old = await user.create(DEVICE, device("edge-1"))
    await user.patch_status(DEVICE, "edge-1", status(phase="Enrolling"))
    await clock.advance(0)
    informer.remember(old)
    assert informer.get("edge-1")["status"]["phase"] == "Enrolling"
    await user.delete(DEVICE, "edge-1")
    await clock.advance(0)
    informer.remember(old)
    assert informer.get("edge-1") is None
    await informer.stop()


async def test_following_a_write_misses_no_change_before_it(cluster: EmbeddedCluster, clock: ManualClock) -> None:
    user, phases = cluster.client("User"), []
    _, informer, _ = make(cluster, clock)
    informer.add_handler(lambda old, new: phases.append(new and new["status"]["phase"]))
    await informer.start()
    await user.create(DEVICE, device("edge-1"))
    await user.patch_status(DEVICE, "edge-1", status(phase="Enrolling"))
    await user.patch_status(DEVICE, "edge-1", status(phase="Enrolled"))
    written = await user.patch(DEVICE, "edge-1", {"metadata": {"labels": {"site": "roof"}}})
    await informer.follow(written, 5)
    assert phases == ["Pending", "Enrolling", "Enrolled", "Enrolled"]
    await informer.follow(written, 5)
    await user.delete(DEVICE, "edge-1")
    await clock.advance(0)
    await informer.follow(written, 5)
    assert informer.get("edge-1") is None
    following = asyncio.ensure_future(informer.follow({"metadata": {"name": "x", "resourceVersion": "99999"}}, 5))
    await clock.advance(5)
    with pytest.raises(TimeoutError):
        await following
    await informer.stop()


async def test_a_failing_handler_does_not_stop_the_others(
    cluster: EmbeddedCluster, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    api = cluster.client("Gateway")
    informer = Informer(api, DEVICE, clock, Randomness(1))
    seen = Seen()
    informer.add_handler(lambda old, new: 1 / 0)
    remove = informer.add_handler(seen)
    await informer.start()
    await api.create(DEVICE, device("edge-1"))
    await clock.advance(0)
    remove()
    await api.create(DEVICE, device("edge-2"))
    await clock.advance(0)
    assert seen.take() == [("added", "edge-1")]
    assert "a handler failed" in caplog.text
    await informer.stop()


async def test_waiting_returns_when_the_object_meets_the_condition(
    cluster: EmbeddedCluster, clock: ManualClock
) -> None:
    user = cluster.client("User")
    _, informer, _ = make(cluster, clock)
    await informer.start()
    here = asyncio.create_task(informer.wait_for("edge-1", lambda found: found is not None, within=5))
    await clock.advance(1)
    assert not here.done()
    await user.create(DEVICE, device("edge-2"))
    await user.create(DEVICE, device("edge-1"))
    await clock.advance(0)
    assert (await here)["metadata"]["name"] == "edge-1"
    assert await informer.wait_for("edge-9", lambda found: found is None, within=0) is None
    gone = asyncio.create_task(informer.wait_for("edge-1", lambda found: found is None, within=5))
    await clock.advance(0)
    await user.delete(DEVICE, "edge-1")
    await clock.advance(0)
    assert await gone is None
    await informer.stop()


@pytest.mark.parametrize(("made", "part"), [(True, "'phase': 'Pending'"), (False, "no such object")])
async def test_a_timeout_names_the_present_status(cluster: EmbeddedCluster, clock: ManualClock, made, part) -> None:
    _, informer, _ = make(cluster, clock)
    if made:
        await cluster.client("User").create(DEVICE, device("edge-1"))
    await informer.start()
    connected = asyncio.create_task(informer.wait_for("edge-1", lambda found: False, within=5))
    await clock.advance(5)
    with pytest.raises(TimeoutError, match=part) as caught:
        await connected
    assert "Device edge-1: condition not met within 5 s" in str(caught.value)
    await informer.stop()


async def test_the_error_of_a_condition_reaches_the_waiting_caller(
    cluster: EmbeddedCluster, clock: ManualClock
) -> None:
    _, informer, _ = make(cluster, clock)
    await informer.start()
    waiting = asyncio.create_task(informer.wait_until(lambda: informer.objects and 1 / 0, within=5))
    await clock.advance(0)
    await cluster.client("User").create(DEVICE, device("edge-1"))
    await clock.advance(0)
    with pytest.raises(ZeroDivisionError):
        await waiting
    await informer.stop()


async def test_versions_that_are_not_numbers_are_accepted_in_order(
    cluster: EmbeddedCluster, clock: ManualClock
) -> None:
    _, informer, seen = make(cluster, clock)

    def odd(version):
        return {"metadata": {"name": "edge-1", "uid": "u", "resourceVersion": version}}

    for version in ("b", "b", "a"):
        informer.remember(odd(version))
    assert seen.take() == [("added", "edge-1"), ("changed", "edge-1")]


async def test_a_bookmark_only_moves_the_version(cluster: EmbeddedCluster, clock: ManualClock) -> None:
    api, informer, seen = make(cluster, clock)

    @asynccontextmanager
    async def one_bookmark(resource, *, resource_version, **selectors):
        api.last = resource_version

        async def events():
            yield WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": "777"}})

        yield events()

    api.watch = one_bookmark
    await informer.start()
    await clock.advance(1)
    assert api.last == "777"
    assert seen.take() == []
    await informer.stop()


async def test_a_late_deletion_event_does_not_remove_the_new_object(
    cluster: EmbeddedCluster, clock: ManualClock
) -> None:
    user = cluster.client("User")
    await user.create(DEVICE, device("edge-1"))
    _api, informer, seen = make(cluster, clock)
    await informer.start()
    seen.take()
    await user.delete(DEVICE, "edge-1")
    second = await user.create(DEVICE, device("edge-1"))
    informer.remember(second)
    assert seen.take() == [("deleted", "edge-1"), ("added", "edge-1")]
    await user.create(DEVICE, device("edge-2"))
    await informer.wait_for("edge-2", lambda object: object is not None, 5)
    assert informer.get("edge-1")["metadata"]["uid"] == second["metadata"]["uid"]
    assert seen.take() == [("added", "edge-2")]
    await informer.stop()

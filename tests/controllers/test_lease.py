"""Leader election: one of several managers acts, and another takes over."""

from __future__ import annotations

import asyncio

from harness.core.loop import give_way
from harness.wasmbed.controllers.lease import LeaderLease
from harness.wasmbed.resources.api import ApiError, Conflict
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, LEASE
from tests.controllers.world import World

NAME = "wasmbed-controllers"


class Claimant:
    """A claimant of the lease that notes when it acts."""

    def __init__(self, world, identity, **options):
        self.world, self.api = world, world.client("ControllerManager")
        self.lease = LeaderLease(self.api, "test", identity, world.clock, world.randomness, **options)
        self.acting = False
        self.task = asyncio.create_task(self.lease.run(self.act))

    async def act(self):
        self.acting = True
        try:
            await asyncio.Event().wait()
        finally:
            self.acting = False

    async def end(self):
        self.task.cancel()
        await asyncio.wait([self.task])

    async def acts(self):
        return self.acting


async def test_the_first_manager_acts_and_the_others_wait(world: World) -> None:
    claimants = [Claimant(world, identity) for identity in ("a", "b", "c")]
    for _ in range(10):
        await world.settle(5)
        assert sum(claimant.acting for claimant in claimants) == 1
    lease = await world.api.get(LEASE, "test")
    assert lease["spec"]["leaseTransitions"] == 0
    assert lease["spec"]["renewTime"] > lease["spec"]["acquireTime"]
    for claimant in claimants:
        await claimant.end()


async def test_one_that_ends_before_it_knows_the_lease_leaves_nothing(world: World) -> None:
    claimant = Claimant(world, "a")
    await give_way()
    assert "informer-leases" in {task.get_name() for task in asyncio.all_tasks()}
    await claimant.end()
    assert "informer-leases" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_a_lease_without_a_holder_is_free(world: World) -> None:
    await world.api.create(LEASE, {"metadata": {"name": "test"}})
    claimant = Claimant(world, "a")
    await world.until(claimant.acts)
    await claimant.end()


async def test_a_lease_given_back_is_taken_at_once(world: World) -> None:
    first, second = Claimant(world, "a"), None
    await world.until(first.acts)
    second = Claimant(world, "b")
    await world.settle(3)
    await first.end()
    await world.until(second.acts, within=1)
    assert (await world.api.get(LEASE, "test"))["spec"]["leaseTransitions"] == 1
    await second.end()
    assert (await world.api.get(LEASE, "test"))["spec"]["holderIdentity"] == ""


async def test_a_lease_of_managers_that_were_killed_runs_out(world: World) -> None:
    """Others wait for its end: nobody gave it back."""
    first = await world.manager(identity="a")
    await world.settle(3)
    second = await world.manager(identity="b")
    assert first.leading
    killed = world.clock.now()
    await first.kill()
    assert (await world.api.get(LEASE, NAME))["spec"]["holderIdentity"] == "a"

    async def leads() -> bool:
        return second.leading

    await world.until(leads, within=60)
    assert world.clock.now() - killed > 0.6 * world.settings.lease_duration
    await first.start()
    await world.settle(3)
    assert not first.leading


async def test_a_leader_that_is_cut_off_stops_before_another_begins(world: World) -> None:
    first = Claimant(world, "a", duration=15)
    await world.until(first.acts)
    second = Claimant(world, "b", duration=15)
    await world.settle(3)
    first.api.faults["replace"] = [OSError("cut off")] * 1000
    start = world.clock.now()
    while not second.acting:
        await world.settle(0.05)
        assert not (first.acting and second.acting)
        if first.acting:
            stopped = world.clock.now()
    assert stopped - start < 15
    assert world.clock.now() - start < 25
    first.api.faults.clear()
    await world.settle(60)
    assert second.acting
    assert not first.acting
    await first.end()
    await second.end()


async def test_a_leader_whose_request_hangs_stops_in_time(world: World) -> None:
    first = Claimant(world, "a", duration=15)
    await world.until(first.acts)

    async def hang(*args):
        await asyncio.Event().wait()

    first.api.replace = hang
    await world.settle(16)
    assert not first.acting
    await first.end()


async def test_an_unknown_writer_does_not_take_the_lease_away(world: World) -> None:
    first = Claimant(world, "a")
    await world.until(first.acts)
    await world.api.patch(LEASE, "test", {"metadata": {"annotations": {"note": "hello"}}})
    first.api.faults["replace"] = [Conflict({"code": 409}), ApiError({"code": 500})]
    await world.settle(60)
    assert first.acting
    assert not first.api.faults["replace"]
    await first.end()


async def test_a_lease_that_another_holder_took_is_lost(world: World) -> None:
    first = Claimant(world, "a")
    await world.until(first.acts)
    await world.api.patch(LEASE, "test", {"spec": {"holderIdentity": "usurper"}})
    await world.settle(8)
    assert not first.acting
    await world.until(first.acts, within=40)
    await first.end()


async def test_a_deleted_lease_is_created_again(world: World) -> None:
    first = Claimant(world, "a")
    await world.until(first.acts)
    await world.api.delete(LEASE, "test")
    await world.settle(20)
    assert first.acting
    assert (await world.api.get(LEASE, "test"))["spec"]["holderIdentity"] == "a"
    await first.end()


async def test_an_error_at_the_first_claim_is_retried(world: World) -> None:
    first = Claimant(world, "a")
    first.api.faults["create"] = [OSError("cut off"), ApiError({"code": 500}), Conflict({"code": 409})]
    await world.until(first.acts)
    await first.end()


async def test_a_failing_action_gives_the_lease_back(world: World) -> None:
    async def fail():
        raise RuntimeError("a bug")

    lease = LeaderLease(world.api, "test", "a", world.clock, world.randomness)
    task = asyncio.create_task(lease.run(fail))
    await world.settle()
    assert isinstance(task.exception(), RuntimeError)
    assert (await world.api.get(LEASE, "test"))["spec"]["holderIdentity"] == ""


async def test_a_manager_that_restarts_under_its_own_name_need_not_wait(world: World) -> None:
    first = Claimant(world, "a")
    await world.until(first.acts)
    first.api.faults["replace"] = [OSError("cut off")] * 3
    await first.end()
    assert (await world.api.get(LEASE, "test"))["spec"]["holderIdentity"] == "a"
    again = Claimant(world, "a")
    await world.until(again.acts, within=1)
    await again.end()


async def test_only_one_of_two_managers_acts(world: World) -> None:
    first = await world.manager(identity="a")
    second = await world.manager(identity="b")
    await world.settle()
    assert (first.leading, second.leading) == (True, False)
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")
    assert (await world.get(DEVICE, "edge-1")).status.enrollments == 1
    assert len(world.gateways.calls) == 1


async def test_the_second_manager_continues_where_the_first_one_ended(world: World) -> None:
    first = await world.manager(identity="a")
    await world.manager(identity="b")
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = [["receiving"], ["receiving", "deployed", "running"]]
    await world.application()
    await world.reaches("blink", "Deploying")
    await first.stop()
    late = {"edge-1": {"state": "running", "generation": 1}}
    await world.api.patch_status(APPLICATION, "blink", {"status": {"deviceStatuses": late}})
    await world.reaches("blink", "Running")
    assert len(world.gateways.calls) == 1


async def test_the_next_manager_makes_the_recorded_request_of_one_that_died(world: World) -> None:
    first = await world.manager(identity="a")
    await world.device("edge-1")
    world.gateways.answers["edge-1"] = []
    await world.application()
    await world.reaches("blink", "Deploying")
    await first.stop()
    del world.gateways.answers["edge-1"]
    await world.manager(identity="b")
    await world.reaches("blink", "Running")
    assert world.gateways.count("deploy") == {"edge-1": 2}


async def test_a_manager_finishes_its_present_work(world: World) -> None:
    manager = await world.manager()
    await world.device("edge-1")
    answered = asyncio.Event()
    deploy = world.gateways.deploy

    async def slow(*arguments):
        await world.clock.sleep(2)
        await deploy(*arguments)
        answered.set()

    world.gateways.deploy = slow
    await world.application()
    await world.reaches("blink", "Deploying")
    stopping = asyncio.create_task(manager.stop())
    await world.settle(1)
    assert not stopping.done()
    await world.settle(2)
    assert stopping.done()
    assert answered.is_set()


async def test_a_manager_stops_in_a_bounded_time(world: World) -> None:
    manager = await world.manager()
    await world.device("edge-1")

    async def never(*arguments):
        await asyncio.Event().wait()

    world.gateways.deploy = never
    await world.application()
    await world.reaches("blink", "Deploying")
    stopping = asyncio.create_task(manager.stop())
    await world.settle(6)
    assert stopping.done()


async def test_a_manager_may_be_stopped_twice_and_started_again(world: World) -> None:
    manager = await world.manager()
    await manager.start()
    await manager.stop()
    await manager.stop()
    assert not manager.leading
    await manager.start()
    await world.device("edge-1")
    await world.application()
    await world.reaches("blink", "Running")


async def test_a_manager_that_was_started_again_uses_nothing_that_it_closed(world: World) -> None:
    class Client:
        def __init__(self, api):
            self._api, self._closed = api, False

        def __getattr__(self, name):
            assert not self._closed, f"{name} after close"
            return getattr(self._api, name)

        async def close(self):
            self._closed = True

    manager = await world.manager(clients=lambda name: Client(world.client(name)), gateway_client=None)
    await manager.stop()
    await manager.start()
    await world.device("edge-1")
    await world.application()

    async def trouble():
        error = (await world.get(APPLICATION, "blink")).status.error or ""
        return "Secret gateway-gateway-1-api with its token does not exist" in error

    await world.until(trouble)


async def test_a_manager_that_lost_the_lease_stops_reconciling(world: World) -> None:
    manager = await world.manager()
    await world.settle()
    await world.api.patch(LEASE, NAME, {"spec": {"holderIdentity": "usurper", "leaseDurationSeconds": 1000}})
    await world.settle(10)
    assert not manager.leading
    await world.device("edge-1", "Enrolling")
    await world.settle(30)
    assert (await world.get(DEVICE, "edge-1")).status.phase == "Enrolling"
    await world.api.patch(LEASE, NAME, {"spec": {"holderIdentity": ""}})
    await world.reaches("edge-1", "Enrolled", DEVICE)

"""Controllers as programs of their own: one of three, its lease, its probes, its metrics."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from harness.cli.main import run
from harness.core.network import SystemNetwork
from harness.wasmbed.controllers import CONTROLLERS, ControllerManager, ControllerSettings
from harness.wasmbed.controllers.gateway import GatewayController
from harness.wasmbed.controllers.manager import lease_of
from harness.wasmbed.controllers.probes import Probes
from harness.wasmbed.resources.api import Resource, ResourceList
from harness.wasmbed.resources.kinds import LEASE
from tests.controllers.world import Broken, World


async def ask(session: aiohttp.ClientSession, base: str, path: str) -> tuple[int, str]:
    async with session.get(base + path) as answer:
        return answer.status, await answer.text()


async def test_the_probes_say_when_the_controllers_can_act(world: World) -> None:
    """Ready from the complete copies to the stop; alive until a controller ends by an error."""
    manager = ControllerManager(world.client, world.clock, world.randomness, gateway_client=world.gateways)
    world.managers.append(manager)
    probes = Probes(manager, world.clock, SystemNetwork())
    base = "http://{}:{}".format(*await probes.start(("127.0.0.1", 0)))
    async with aiohttp.ClientSession() as session:
        assert (await ask(session, base, "/readyz"))[0] == 503
        assert await ask(session, base, "/healthz") == (200, "ok\n")
        await manager.start()
        assert await ask(session, base, "/readyz") == (200, "ok\n")
        await world.settle()
        metrics = (await ask(session, base, "/metrics"))[1]
        assert "wasmbed_controllers_leading 1.0" in metrics
        assert 'wasmbed_controllers_queue{controller="DeviceController"} 0.0' in metrics
        assert 'wasmbed_controllers_reconciliations_total{controller="GatewayController",result="ok"}' in metrics
        assert (await ask(session, base, "/api"))[0] == 404
        await manager.stop()
        assert (await ask(session, base, "/readyz"))[0] == 503
    await probes.stop()


async def test_a_controller_that_ends_by_an_error_ends_the_programs_health(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It cannot act again before a new start, which a liveness probe brings."""
    manager = ControllerManager(world.client, world.clock, world.randomness, gateway_client=world.gateways)
    world.managers.append(manager)

    async def ends(self: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("harness.wasmbed.controllers.gateway.GatewayController.run", ends)
    await manager.start()
    assert manager.healthy
    await world.settle()
    assert not manager.healthy


async def test_a_manager_whose_controller_ended_lets_another_lead(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: it gives its lease back, and does not claim it again."""
    works = GatewayController.run
    broken = ControllerManager(world.client, world.clock, world.randomness, gateway_client=world.gateways)
    world.managers.append(broken)

    async def ends_there(self: GatewayController) -> None:
        if self in broken.controllers:
            raise RuntimeError("a bug")
        await works(self)

    monkeypatch.setattr(GatewayController, "run", ends_there)
    await broken.start()
    await world.settle()
    begun = world.clock.now()
    other = await world.manager()
    await world.settle()
    assert (broken.leading, other.leading) == (False, True)
    assert world.clock.now() - begun < broken.settings.lease_duration / 3
    assert (await world.api.get(LEASE, broken.settings.lease_name))["spec"]["holderIdentity"] == other.identity


class Listing(Broken):
    """A client that notes which types it reads."""

    def __init__(self, api: Any, read: set[str]) -> None:
        super().__init__(api)
        self.read = read

    async def list(self, resource: Resource, **selectors: Any) -> ResourceList:
        self.read.add(resource.plural)
        return await super().list(resource, **selectors)


@pytest.mark.parametrize(
    ("only", "reads"),
    [
        ("device", {"devices", "gateways", "leases"}),
        ("application", {"devices", "gateways", "applications", "leases"}),
        ("gateway", {"gateways", "leases"}),
    ],
)
async def test_each_controller_alone_reads_only_what_it_needs(world: World, only: str, reads: set[str]) -> None:
    """So its role can be small; it has a lease of its own, and the others run beside it."""
    read: set[str] = set()
    manager = await world.manager(
        controllers=(only,),
        settings=ControllerSettings(lease_name=lease_of(only)),
        clients=lambda name: Listing(world.cluster.client(name), read),
    )
    await world.settle()
    assert read == reads
    assert [controller.name.lower() for controller in manager.controllers] == [f"{only}controller", "eventrecorder"]
    assert (await world.api.get(LEASE, f"wasmbed-{only}-controller"))["spec"]["holderIdentity"] == manager.identity


def test_the_program_knows_the_controllers() -> None:
    from harness.cli.controllers import NAMES

    assert NAMES == CONTROLLERS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--http", "8082"], "error: --http: invalid address '8082': must be host:port"),
        (["--kubeconfig", "absent"], "error: absent: not a usable Kubernetes configuration"),
        ([], "error: the pod's service account: not a usable Kubernetes configuration"),
    ],
)
def test_the_program_says_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert run(["controllers", *arguments]) == 2
    assert capsys.readouterr().err.startswith(message)

"""``gateway_process``: what a second and a third gateway process add, and where an enrollment's processor time goes.

Four parts have a process each: the API server, the controllers (this one), the boards, and every gateway. The boards
are only their TLS and their messages; they go to the gateway that they are assigned to, so with three gateways two of
three boards connect twice. Half of an enrollment's time is a gateway's, so several gateways and the other parts want
more cores than two: on fewer, devices a second by the clock show what the machine lacks. Judged is the processor time
of the busiest gateway: the rate that the gateways allow where each has a core of its own. The rate by the clock, what
this machine allows at most, and each part's time stand beside it.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import cast

import uvloop

from benchmarks.child import Child, asked, child
from benchmarks.figure import Figure, middle
from benchmarks.world import until_connected
from harness.clusters.embedded.process import EmbeddedProcessCluster
from harness.core.clock import Clock, SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, SystemNetwork
from harness.gateways.gateway import Choice, GatewaySetup
from harness.gateways.process import ProcessGateway
from harness.wasmbed.controllers import ControllerManager
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.settings_file import parse_endpoint
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.pki.tls import client_context
from harness.wasmbed.protocol.link import Link, Side
from harness.wasmbed.protocol.messages import (
    DeviceInfo,
    DeviceInfoRequest,
    EnrollmentAcknowledgment,
    EnrollmentRequest,
    EnrollmentResponse,
    Heartbeat,
    HeartbeatAcknowledgment,
)

BOARDS = 2_000
WARM_UP = 100
AT_ONCE = 128
"""Boards under way at a time, as many with one gateway as with two: the load is the same, and only the gateways differ.
It is enough that each of two gateways is busy: an enrollment costs a gateway twice the processor time where it wakes up
for every message of it (2 at a time: 8.0 ms, 8: 6.5, 64: 3.8)."""
ROUNDS = 3
LOCAL: Endpoint = ("127.0.0.1", 0)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of processor time for ``BOARDS`` enrollments, by part, and the seconds that they took."""

    gateways: tuple[float, ...]
    cluster: float
    controllers: float
    boards: float
    elapsed: float

    @property
    def parts(self) -> tuple[float, ...]:
        """The seconds of each process."""
        return (*self.gateways, self.cluster, self.controllers, self.boards)

    @property
    def least(self) -> float:
        """The fewest seconds in which this machine can do it: the busiest process has one core, all have all cores."""
        return max(*self.parts, sum(self.parts) / (os.cpu_count() or 1))


@dataclass
class World:
    """A platform with gateways in processes of their own."""

    cluster: EmbeddedProcessCluster
    gateways: list[ProcessGateway]
    boards: Child
    clock: Clock

    async def enroll(self, prefix: str, count: int) -> Cost:
        """Enroll boards, in turns at each gateway, until every Device is Connected in the cluster."""
        names = {f"{prefix}-{number}" for number in range(count)}
        before, own, start = self._times(), process_time(), self.clock.now()
        connected = asyncio.create_task(until_connected(self.cluster.client("Benchmark"), self.clock, names))
        self.boards.ask(json.dumps([prefix, count, [gateway.endpoint for gateway in self.gateways]]))
        boards = float(await self.boards.answer())
        await connected
        elapsed = self.clock.now() - start
        cluster, *gateways = (now - then for now, then in zip(self._times(), before, strict=True))
        return Cost(tuple(gateways), cluster, process_time() - own, boards, elapsed)

    def _times(self) -> list[float]:
        pids = [self.cluster.pid, *(gateway.pid for gateway in self.gateways)]
        return [_seconds(cast(int, pid)) for pid in pids]


def _seconds(pid: int) -> float:
    """The processor time of a process (proc(5): fields 14 and 15, after the name in parentheses)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@asynccontextmanager
async def world(number: int) -> AsyncIterator[World]:
    """A platform with that number of gateway processes, and nothing that records it."""
    clock, network, randomness = SystemClock(), SystemNetwork(), Randomness()
    servers, devices = Authority.create("servers", clock), Authority.create("devices", clock)
    async with AsyncExitStack() as ends:
        cluster = EmbeddedProcessCluster(clock, randomness)
        ends.push_async_callback(cluster.stop)
        await cluster.start()
        controllers = ControllerManager(cluster.client, clock, randomness)
        ends.push_async_callback(controllers.stop)
        await controllers.start()

        async def give_access(path: Path) -> None:
            await cluster.give_access("Gateway", path)

        gateways = []
        for name in (f"gateway-{each + 1}" for each in range(number)):
            setup = GatewaySetup(
                settings=GatewaySettings(name=name, listen=LOCAL, http=LOCAL),
                identities=(servers.issue_server(name),),
                devices=devices,
                namespace=cluster.namespace,
                api=cluster.client("Gateway"),
                give_access=give_access,
                clock=clock,
                network=network,
                randomness=randomness,
                tap=lambda *event: None,
                console=lambda line: None,
                ended=lambda how: None,
                revocations_loaded=lambda: None,
            )
            gateway = ProcessGateway(setup, Choice("process"))
            await gateway.start()
            ends.push_async_callback(gateway.kill)
            gateways.append(gateway)
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory()))
        servers.save(folder / "servers")
        devices.save(folder / "devices")
        boards = await ends.enter_async_context(child("benchmarks.gateways", str(folder)))
        yield World(cluster, gateways, boards, clock)


async def enroll(link: Link, key: bytes, nonce: bytes) -> EnrollmentResponse | None:
    """A board's part of an enrollment, up to the answer to its first heartbeat, or to the assignment to another
    gateway, which it returns."""
    link.send(EnrollmentRequest("mcu", "bench", "bench", ("tls", "cbor", "wasm"), key, "0", nonce))
    while True:
        envelope = await link.receive()
        if isinstance(message := envelope.message, EnrollmentResponse):
            link.send(EnrollmentAcknowledgment(message.device_id), envelope.message_id)
            if message.reassigned:
                return message
            link.send(Heartbeat(message.device_id, 0, "running", {}, "ready", {}))
        elif isinstance(message, DeviceInfoRequest):
            link.send(DeviceInfo(65_536, "bench", (), 65_536), envelope.message_id)
        elif isinstance(message, HeartbeatAcknowledgment):
            return None
        else:
            raise RuntimeError(f"the gateway sent {message}")


async def resume(link: Link, device_id: str) -> None:
    """A board's part at the gateway that it was assigned to, up to the answer to its first heartbeat."""
    link.send(Heartbeat(device_id, 0, "running", {}, "ready", {}))
    while not isinstance((await link.receive()).message, HeartbeatAcknowledgment):
        pass


async def serve(folder: Path) -> None:
    """The boards' process: for each ``[prefix, count, endpoints]`` that it is asked, enrolls that many, and tells the
    processor time that passed; certificates and keys are made before."""
    clock, network, randomness = SystemClock(), SystemNetwork(), Randomness()
    servers, devices = (Authority.load(folder / role, clock) for role in ("servers", "devices"))
    links: list[Link] = []

    def identity(name: str) -> Identity:
        key = generate_key()
        return Identity(key, devices.issue_device(name, key.public_key()))

    async def connect(gateway: Endpoint, tls: ssl.SSLContext) -> Link:
        return await network.connect(
            lambda: Link(Side.DEVICE, opened=lambda link: None), gateway, tls=tls, server_name="localhost"
        )

    async def board(places: asyncio.Semaphore, gateway: Endpoint, identity: Identity, tls: ssl.SSLContext) -> None:
        async with places:
            link = await connect(gateway, tls)
            if assigned := await enroll(link, identity.public_key_der, randomness.bytes(16)):
                await link.close()
                link = await connect(parse_endpoint(assigned.gateway_endpoint), tls)
                await resume(link, assigned.device_id)
            links.append(link)

    async for question in asked():
        prefix, count, gateways = json.loads(question)
        identities = [identity(f"{prefix}-{number}") for number in range(count)]
        contexts = [client_context(servers.certificate, each) for each in identities]
        places = [asyncio.Semaphore(AT_ONCE // len(gateways)) for _ in gateways]
        before = process_time()
        async with asyncio.TaskGroup() as group:
            for number, (each, tls) in enumerate(zip(identities, contexts, strict=True)):
                which = number % len(gateways)
                group.create_task(board(places[which], tuple(gateways[which]), each, tls))
        print(process_time() - before, flush=True)


async def cost(number: int) -> Cost:
    """The cost of 2,000 enrollments with that number of gateways."""
    async with world(number) as running:
        await running.enroll("warm-up", WARM_UP)
        return await running.enroll("board", BOARDS)


async def measure() -> list[Figure]:
    rounds = [(await cost(3), await cost(2), await cost(1)) for _ in range(ROUNDS)]
    three, one = middle([(BOARDS / max(three.gateways), BOARDS / max(one.gateways)) for three, _, one in rounds])
    two, _ = middle([(BOARDS / max(two.gateways), BOARDS / max(one.gateways)) for _, two, one in rounds])
    quick, slow = middle([(BOARDS / three.elapsed, BOARDS / one.elapsed) for three, _, one in rounds])
    with_three, _, with_one = rounds[0]
    allowed = with_one.least / with_three.least
    parts = dict(zip(("gateway", "cluster", "controllers", "boards"), with_one.parts, strict=True))
    each = 1000 / BOARDS
    return [
        Figure(
            "gateway_process",
            three,
            "1/s",
            "one gateway, by the CPU s of the busiest",
            one,
            "at least 1.7 of the peer",
            lambda _, ratio: ratio >= 1.7,
        ),
        Figure("gateway_process_two", two, "1/s", "one gateway, by the CPU s of the busiest", one),
        Figure("gateway_process_clock", quick, "1/s", f"one gateway; this machine allows {allowed:.2f}", slow),
        *(
            Figure(f"enrollment_cpu_{part}", seconds * each, "ms", "all parts", sum(with_one.parts) * each)
            for part, seconds in parts.items()
        ),
    ]


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))

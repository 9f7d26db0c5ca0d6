"""The gateway of a stack: start, stop, kill, restart."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from harness.core.ahead import Ahead
from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.core.history import SEEN_BY
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network
from harness.gateways.gateway import Choice, Gateway, GatewaySetup
from harness.gateways.relay.defects import WireDefect, find_defect
from harness.gateways.relay.faults import NO_FAULT, LinkFault
from harness.stack.credentials import Pki, validity
from harness.stack.gateway_boundary import ANY_PORT, GatewayAccess, GatewayBoundary
from harness.stack.leftovers import objects_of
from harness.stack.observation import observe
from harness.stack.recorder import Recorder
from harness.stack.timeouts import bounded
from harness.stack.waiting import Watched
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.status_target import PER_DEVICE
from harness.wasmbed.protocol.dialects.wires import VERSION_1, is_framed
from harness.wasmbed.resources.api import ApiError
from harness.wasmbed.resources.kinds import GATEWAY, SECRET
from harness.wasmbed.resources.names import TOKEN_KEY, gateway_api_secret
from harness.wasmbed.resources.views import Gateway as GatewayResource
from harness.wasmbed.resources.views import GatewayStatus

__all__ = ["GatewayControl"]

START = 60.0
STOP = 60.0
_ORDER = re.compile(r"/api/v1/applications/([^/]+)/devices/([^/]+)")
RECORDED_INSIDE = frozenset({"gateway-reasons"})
"""The features that a gateway loses where a relay records its links."""
CODE = "harness.wasmbed.gateway"
"""The package of the reference gateway."""
ENDED = "GatewayEnded"
"""The fault in the history when a gateway ends by itself."""


class GatewayControl(Watched[GatewayResource]):
    """One gateway that keeps its name, identity, and ports over restarts, so that devices can reconnect to it."""

    view = GatewayResource
    status_view = GatewayStatus

    def __init__(
        self,
        settings: GatewaySettings,
        kind: type[Gateway],
        choice: Choice,
        pki: Pki,
        cluster: GatewayAccess,
        clock: Clock,
        network: Network,
        randomness: Randomness,
        recorder: Recorder,
        *,
        own_clock: Clock | None = None,
        wire_defect: str | None = None,
        relay: bool = False,
        ahead: Ahead | None = None,
    ) -> None:
        """``own_clock``: the one of its machine, by default ``clock``. ``wire_defect``: the name of a defect of
        :mod:`harness.gateways.relay.defects` on its links. ``relay``: whether they pass a relay also if it records them
        itself. ``ahead`` is asked before what passes the relay."""
        super().__init__(settings.name, recorder.informer(GATEWAY), recorder.record)
        self._settings, self._kind, self._choice, self._pki, self._cluster = settings, kind, choice, pki, cluster
        self._clock, self._network, self._randomness, self._recorder = clock, network, randomness, recorder
        self._ahead, self._own_clock = ahead, own_clock or clock
        self._identities = pki.gateway(settings.name)
        self._defect_noted = False
        defect = find_defect(wire_defect) if wire_defect is not None else None
        if defect is not None and choice.wire != VERSION_1:
            raise UsageError(f"defects are of the wire {VERSION_1!r}", where="--wire-defect", do="leave it out")
        self._boundary = self._make_boundary(defect) if relay or defect or not kind.records else None
        self._gateway: Gateway | None = None
        self._starts = 0
        """How often it was started: its random values are others each time, as those of a new process are."""
        self._token = ""
        self._direct: Endpoint | None = None
        self._paused_at: float | None = None
        self._ended = asyncio.Event()

    @property
    def features(self) -> frozenset[str]:
        """The features that it has; the names are in :data:`harness.gateways.gateway.FEATURES`."""
        hidden = frozenset() if self._boundary is None else RECORDED_INSIDE
        return self._kind.features_of(self._choice) - self._choice.lacks - hidden

    @property
    def is_tunnel(self) -> bool:
        """Whether its links pass as ciphertext, because their boards' identities are not the harness's."""
        return self._boundary is not None and self._boundary.is_tunnel

    @property
    def in_process(self) -> bool:
        """Whether it runs in this process, so that its tasks and descriptors are this process's."""
        return self._boundary is None

    def objects(self) -> Counter[str]:
        """How many objects of each of the gateways' classes this process has; none of a gateway elsewhere."""
        return objects_of(CODE) if self.in_process else Counter()

    @property
    def status(self) -> GatewayStatus:
        """The status of its resource, as last seen."""
        return self.resource.status

    @property
    def endpoint(self) -> Endpoint:
        """Its address for devices; the same after a restart."""
        return self._settings.listen if self._boundary is None else self._boundary.endpoint

    @property
    def direct_endpoint(self) -> Endpoint:
        """Where the gateway itself listens, or listened last: past the relay, if there is one."""
        if self._direct is None:
            raise UsageError("the gateway was not started", where=self.name, do="start it first")
        return self._direct

    @property
    def http_endpoint(self) -> Endpoint:
        """The address of its HTTP API; the same after a restart."""
        return self._settings.http

    @property
    def running(self) -> bool:
        return self._gateway is not None

    async def start(self, **settings: Any) -> None:
        """Start it; ``settings`` are fields of :class:`GatewaySettings` that change from now on.

        Raises RigError if its port is taken.
        """
        self._starts += 1
        if self._gateway is not None:
            raise UsageError("the gateway is running", where=self.name, do="stop or kill it first")
        self._settings = replace(self._settings, **settings)
        if self._boundary is not None:
            await self._boundary.prepare()
        gateway = self._kind(self._setup(), self._choice)
        await bounded(self._clock, START, f"start of gateway {self.name}", gateway.start())
        self._gateway, self._direct = gateway, gateway.endpoint
        if "gateway-revocation" in self.features:
            self._pki.gateway_started(self.name)
        self._token = await self._read_token()
        self._recorder.note("gateway up", gateway=self.name, **self._described())
        self._settings = replace(self._settings, http=gateway.http_endpoint or ANY_PORT)
        if self._boundary is not None:
            self._boundary.open(gateway)
        else:
            self._settings = replace(self._settings, listen=gateway.endpoint)

    def _make_boundary(self, defect: WireDefect | None) -> GatewayBoundary:
        def applied() -> None:
            if not self._defect_noted:
                self._defect_noted = True
                self._recorder.note("wire defect", defect=defect.name if defect is not None else "")

        return GatewayBoundary(
            self._settings,
            self._identities,
            self._pki,
            self._clock,
            self._network,
            self._recorder,
            self._randomness.fork(f"{self.name} links"),
            tamper=defect.tamper(applied) if defect is not None else None,
            tunnel=self._kind.tunnelled(self._choice),
            wire=self._choice.wire,
            ahead=self._ahead,
        )

    def _setup(self) -> GatewaySetup:
        settings = self._settings
        return GatewaySetup(
            settings=settings if self._boundary is None else self._boundary.advertised(settings),
            identities=self._identities,
            devices=self._pki.devices,
            namespace=self._cluster.api.namespace,
            api=self._cluster.api,
            give_access=self._cluster.give_access,
            clock=self._own_clock,
            network=self._network,
            randomness=self._randomness.fork(f"{self.name} {self._starts}"),
            tap=self._recorder.platform if self._boundary is None else self._tap_inside,
            console=lambda line: self._recorder.gateway_line(line, self.name),
            ended=self._ended_by_itself,
            revocations_loaded=lambda: self._pki.list_loaded(self.name),
        )

    def _tap_inside(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> None:
        """Record what the boundary cannot see: what the gateway makes of the cluster's objects."""
        if source == "Kubernetes":
            self._recorder.platform(source, target, name, data, correlation)

    def check_disturb(self, fault: LinkFault, device: str = "") -> None:
        """Raise UsageError if its links cannot be disturbed in this way."""
        if self._boundary is None:
            do = "mark the test with stack(relay=True), or start wasmbed up --relay"
            raise UsageError("its links pass no relay", where=f"gateway {self.name}", do=do)
        if self.is_tunnel and (device or fault.drop or fault.corrupt):
            raise UsageError(
                "its boards' identities are not the harness's, so devices and frames are not known on its links",
                where=f"gateway {self.name}",
                do="disturb all links, and drop or corrupt no frames",
            )

        if (fault.drop or fault.corrupt) and not is_framed(self._choice.wire):
            raise UsageError(
                f"the wire {self._choice.wire!r} has no frames", where=f"gateway {self.name}", do="drop none"
            )

    def disturb(self, fault: LinkFault = NO_FAULT, device: str = "") -> None:
        """Disturb its links with a device, or all of them; see :class:`~harness.stack.link_faults.LinkFaults`."""
        if self._boundary is not None:
            self._boundary.disturb(fault, device)

    async def observe(self) -> None:
        """Record its own account of its sessions and metrics, if it is running."""
        if self._gateway is not None:
            await observe(self.name, self.http_endpoint, self._token, self._recorder, self._clock, self._network)

    async def pause(self) -> None:
        """Stop its processor (feature ``gateway-pause``): it does nothing, and its connections stay open."""
        gateway = self._running()
        self._recorder.fault("pause gateway", "Gateway", gateway=self.name)
        self._paused_at = self._clock.now()
        await gateway.pause()

    async def resume(self) -> None:
        """Let it go on where it was."""
        if self._gateway is None or self._paused_at is None:
            return
        paused_at, self._paused_at = self._paused_at, None
        self._recorder.note("resume gateway", gateway=self.name, seconds=round(self._clock.now() - paused_at, 3))
        await self._gateway.resume()

    async def stop(self) -> None:
        """Stop it gracefully: it tells its devices and drains. Does nothing if it is not running."""
        await self._end("stop", lambda gateway: gateway.stop())

    async def kill(self) -> None:
        """End it as if its process were killed: no device gets a message."""
        if self._gateway is not None:
            self._recorder.fault("kill gateway", "Gateway", gateway=self.name)
        await self.abandon()

    async def abandon(self) -> None:
        """End it at once, without recording a fault: for the end of a stack."""
        await self._end("kill", lambda gateway: gateway.kill())

    async def _read_token(self) -> str:
        """The token of its HTTP API; empty where the cluster does not answer."""
        try:
            return await self.token()
        except (ApiError, OSError, KeyError, ValueError):
            return ""

    def _described(self) -> dict[str, Any]:
        """Return the facts that judges need: settings (times in milliseconds), token, and shown certificates.

        A gateway that does not take the settings is not judged by them.
        """
        settings = self._settings
        taken = {
            "retryAfter": int(1000 * settings.retry_after),
            "chunkWindow": settings.chunk_window,
            "statusInterval": int(1000 * settings.status_interval),
            "heartbeatWriteInterval": int(1000 * settings.heartbeat_write_interval),
            "deviceTypes": sorted(settings.device_types),
        }
        return {
            **({SEEN_BY: "board"} if self.is_tunnel else {}),
            **({"wire": self._choice.wire} if self._choice.wire != VERSION_1 else {}),
            "token": self._token,
            "heartbeatInterval": int(1000 * settings.heartbeat_interval),
            "missedHeartbeats": settings.missed_heartbeats,
            "restPerDevice": 1000 * PER_DEVICE if self._kind.records else None,
            **(taken if "gateway-settings" in self.features else {}),
            "certificates": [validity(identity.certificate) for identity in self._identities],
            "deviceAuthority": {
                **validity(self._pki.devices.certificate),
                "der": b64encode(self._pki.devices.certificate).decode(),
            },
        }

    async def _end(self, what: str, end: Callable[[Gateway], Awaitable[None]]) -> None:
        await self.resume()  # so that it sees that it has to end
        gateway, self._gateway = self._gateway, None
        if gateway is not None:
            self._recorder.note("gateway down", gateway=self.name)
            self._pki.gateway_stopped(self.name)
            try:
                await bounded(self._clock, STOP, f"{what} of gateway {self.name}", end(gateway))
            except asyncio.CancelledError:  # a fault at the end of a stack: half a gateway would stay
                await gateway.kill()
                raise

    def _ended_by_itself(self, how: str) -> None:
        self._recorder.failure("Gateway", "", ENDED, {"gateway": self.name, "how": how}, "")
        self._ended.set()

    async def lost(self) -> None:
        """Wait for as long as it runs, or is stopped by the harness. Raises ProductFailure when it ends by itself."""
        await self._ended.wait()
        self.check()

    def check(self) -> None:
        """Raise ProductFailure if it ended by itself."""
        if self._gateway is not None:
            self._gateway.check()

    async def close(self) -> None:
        """Stop it, and everything that the harness put around it."""
        try:
            await self.stop()
        finally:
            if self._boundary is not None:
                await self._boundary.close()

    async def reload(self, *, valid_for: float | None = None, rotated: bool = False) -> None:
        """Have it present new certificates from its authorities, without a restart (feature ``gateway-reload``).

        They expire ``valid_for`` seconds from now (negative: they have expired); None: in their usual time. They are
        of authorities that no board knows if ``rotated``.
        """
        gateway = self._running()
        self._identities = self._pki.gateway(self.name, valid_for=valid_for, rotated=rotated)
        self._recorder.note("gateway reload", gateway=self.name, **self._described())
        await bounded(self._clock, START, f"reload of gateway {self.name}", gateway.reload(self._identities))

    def _running(self) -> Gateway:
        if self._gateway is None:
            raise UsageError("the gateway is not running", where=self.name, do="start it first")
        return self._gateway

    async def restart(self, **settings: Any) -> None:
        """Stop it gracefully and start it again at the same addresses; ``settings`` as for :meth:`start`."""
        self._recorder.fault("restart gateway", "Gateway", gateway=self.name)
        await self.stop()
        await self.start(**settings)

    async def token(self) -> str:
        """The bearer token of its HTTP API, as its Secret has it."""
        secret = await self._cluster.api.get(SECRET, gateway_api_secret(self.name))
        return b64decode(secret["data"][TOKEN_KEY]).decode()

    async def ask(
        self, method: str, path: str, *, token: str | None = None, scheme: str = "Bearer", body: Any = None
    ) -> tuple[int, str]:
        """Send a request to its HTTP API; returns the HTTP status and the text of the answer.

        It shows the gateway's own token unless ``token`` is another, or empty for none, under the HTTP authentication
        ``scheme``; ``body`` is sent as JSON.
        """
        if method != "GET" and (asked := _ORDER.fullmatch(path)):
            self._recorder.note("order by hand", asked[1], gateway=self.name, device=asked[2])
        token = await self.token() if token is None else token
        headers = {"Authorization": f"{scheme} {token}"} if token else {}
        async with (
            aiohttp.ClientSession(self._api_url, connector=self._network.connector(), headers=headers) as http,
            http.request(method, path, json=body) as answer,
        ):
            return answer.status, await answer.text()

    @property
    def _api_url(self) -> str:
        return "http://{}:{}".format(*self.http_endpoint) if self._boundary is None else self._boundary.api_url

    async def sessions(self) -> dict[str, dict[str, Any]]:
        """Return the gateway's own session list, by device; sessions that no device has claimed are left out."""
        _, text = await self.ask("GET", "/api/v1/sessions")
        return {session["device"]: session for session in json.loads(text)["sessions"] if session["device"]}

    async def metric(self, name: str, **labels: str) -> float:
        """A figure of ``/metrics``, 0 for one that it does not name; ``name`` without ``wasmbed_gateway_``."""
        _, text = await self.ask("GET", "/metrics", token="")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"wasmbed_gateway_{name}" and sample.labels == labels:
                    return sample.value
        return 0.0

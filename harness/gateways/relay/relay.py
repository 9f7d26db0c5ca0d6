"""Stands between boards and a gateway, and records their links.

A relay needs nothing of the gateway but its address, so the gateway may be any program.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable

from harness.core.ahead import Ahead
from harness.core.clock import Clock
from harness.core.errors import RigError, reason
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.logs import get_log
from harness.core.network import Endpoint, Listener, Network
from harness.gateways.relay.faults import NO_FAULT, LinkFault
from harness.gateways.relay.handshake import board_contexts, gateway_context
from harness.gateways.relay.link import LinkOptions, RelayedLink
from harness.gateways.relay.negotiation import KeyOf
from harness.gateways.relay.passing import Tamper
from harness.gateways.relay.stream import Stream
from harness.gateways.relay.valve import MOST_WAITING
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import Algorithm, algorithm_of
from harness.wasmbed.protocol.dialects.wires import VERSION_1, find_wire
from harness.wasmbed.protocol.framing import DEFAULT_LIMIT

__all__ = ["Relay"]

log = get_log(__name__)

_SIGNATURES = {Algorithm.P256: 0x0403, Algorithm.ED25519: 0x0807}
"""The schemes of RFC 8446, section 4.2.3."""


class Relay:
    """Listens at ``listen`` for boards, and connects to the gateway at ``target`` for each.

    It ends the boards' TLS 1.3 as one of ``identities``, and speaks TLS to the gateway with the certificate that the
    board has shown and the key that ``key_of`` has for it. Without identities it is a tunnel: it reports how many bytes
    pass, and cannot read them. ``name`` is the gateway's, for the names of links. ``device_authority`` (DER) is the one
    that the gateway trusts: the relay refuses nobody, but it reports the messages of a device with another authority's
    certificate only after the gateway has answered. ``limit`` is the largest frame that it decodes, in bytes,
    ``wire`` what devices and gateway speak. ``randomness`` is for the jitter of links. ``tamper`` alters frames, but
    not those of a device that a test drives by hand, as ``is_by_hand`` says of its address. ``ahead`` is asked before
    frames that it expects.

    What it cannot keep: where the gateway does not accept connections, a board sees a reset instead of a refusal; and
    it sees the relay's certificate, and no session tickets.
    """

    def __init__(
        self,
        listen: Endpoint,
        target: Endpoint,
        identities: Iterable[Identity],
        key_of: KeyOf,
        tap: Tap,
        clock: Clock,
        network: Network,
        *,
        name: str,
        device_authority: bytes | None = None,
        limit: int = DEFAULT_LIMIT,
        wire: str = VERSION_1,
        tamper: Tamper | None = None,
        randomness: Randomness | None = None,
        is_by_hand: Callable[[Endpoint | None], bool] = lambda address: False,
        ahead: Ahead | None = None,
    ) -> None:
        identities = tuple(identities)
        self.target = target
        """The gateway's address, for connections from now on."""
        self._listen, self._name, self._clock, self._network = listen, name, clock, network
        self._options = LinkOptions(
            board_contexts=board_contexts(identities, device_authority) if identities else {},
            gateway_context=gateway_context() if identities else None,
            signatures=frozenset(_SIGNATURES[algorithm_of(identity.private_key)] for identity in identities),
            key_of=key_of,
            limit=limit,
            codec=find_wire(wire),
            tap=tap,
            clock=clock,
            tamper=tamper,
            randomness=randomness or Randomness(),
            is_by_hand=is_by_hand,
            ahead=ahead,
        )
        self._listener: Listener | None = None
        self._numbers = itertools.count(1)
        self._links: set[RelayedLink] = set()
        self._dialing: set[asyncio.Task[None]] = set()
        self._faults: dict[str, LinkFault] = {}

    @property
    def endpoint(self) -> Endpoint:
        """Host and port for boards, once started."""
        if self._listener is None:
            raise RuntimeError("the relay is not started")
        return self._listener.endpoint

    async def start(self) -> None:
        """Listen. Raises RigError if the port is taken."""
        try:
            self._listener = await self._network.listen(self._accept, self._listen, unread=MOST_WAITING)
        except OSError as error:
            host, port = self._listen
            raise RigError(
                f"cannot listen at {host}:{port}: {reason(error)}",
                where=f"relay of gateway {self._name}",
                do="end what uses the port, or choose another (0: any free one)",
            ) from error
        self._listen = self._listener.endpoint  # the same after a restart

    async def close(self) -> None:
        """Stop listening, and reset every link. The relay can be started again at the same address."""
        if self._listener is not None:
            await self._listener.close()
        for task in tuple(self._dialing):
            task.cancel()
        await asyncio.gather(*self._dialing, return_exceptions=True)
        for link in tuple(self._links):
            link.drop()

    def disturb(self, fault: LinkFault, device: str = "") -> None:
        """Disturb the links of a device, or of all devices, from now on; ``NO_FAULT`` ends the disturbance.

        A link is a device's from its certificate or signing request on; for all devices it is from its beginning.
        """
        if fault == NO_FAULT or fault.half_open is not None:  # half open are present links only
            self._faults.pop(device, None)
        else:
            self._faults[device] = fault
        for link in tuple(self._links):
            if device in ("", link.device):
                link.apply(fault if fault.half_open is not None else self._fault_of(link))

    @property
    def is_tunnel(self) -> bool:
        """Whether it passes TLS on, so that it knows neither frames nor devices."""
        return self._options.gateway_context is None

    def _fault_of(self, link: RelayedLink) -> LinkFault:
        return self._faults.get(link.device) or self._faults.get("") or NO_FAULT

    def _accept(self) -> Stream:
        link = RelayedLink(f"{self._name}/{next(self._numbers)}", self._options, self._dial, self._apply, self._forget)
        self._links.add(link)
        return link.near

    def _apply(self, link: RelayedLink) -> None:
        if self._faults and (fault := self._fault_of(link)) != NO_FAULT:
            link.apply(fault)

    def _forget(self, link: RelayedLink) -> None:
        self._links.discard(link)

    def _dial(self, link: RelayedLink) -> None:
        if self._fault_of(link).cut:
            link.refuse()
            return
        task = asyncio.get_running_loop().create_task(self._connect(link), name=f"relay {link.name}")
        self._dialing.add(task)
        task.add_done_callback(self._dialing.discard)

    async def _connect(self, link: RelayedLink) -> None:
        try:
            await self._network.connect(lambda: link.far, self.target, unread=MOST_WAITING)
        except OSError as error:
            log.info("%s: the gateway at %s:%d does not accept a connection: %s", link.name, *self.target, error)
            link.refuse()
        except asyncio.CancelledError:
            link.refuse()
            raise

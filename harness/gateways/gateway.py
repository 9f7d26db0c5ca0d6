"""The contract of every kind of gateway under test.

A kind is registered by entry point in the group ``harness.gateways``; ``--gateway`` uses its name there, or the name of
a table ``[gateways.NAME]`` of harness.toml, which says more about it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.core.clock import Clock
from harness.core.errors import UsageError
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.network import Endpoint, Network
from harness.wasmbed.protocol.dialects.wires import VERSION_1, WIRES
from harness.wasmbed.resources.api import ResourceApi
from harness.wasmbed.resources.extent import WHOLE, Extent

if TYPE_CHECKING:
    from harness.wasmbed.gateway.settings import GatewaySettings
    from harness.wasmbed.pki.authority import Authority
    from harness.wasmbed.pki.identity import Identity

__all__ = ["FEATURES", "Choice", "Gateway", "GatewaySetup"]

FEATURES: Mapping[str, str] = {
    "gateway-stop": "the harness can stop it gracefully and start it again",
    "gateway-kill": "the harness can end it without warning, as kill -9 does",
    "gateway-settings": "takes the settings of the reference gateway: intervals, limits, time limits",
    "gateway-http": "serves the HTTP API of the reference gateway: health, metrics, sessions, deployments",
    "gateway-pairing": "signs the requests of devices that pair",
    "gateway-revocation": "shows when a revocation list is in force",
    "gateway-certificate-errors": "says why it refuses a certificate that is expired or for another use",
    "gateway-device-info": "asks each device that has enrolled what it is",
    "gateway-reload": "reads its certificates again while it runs",
    "gateway-reasons": "the record has its own reasons for closing links",
    "gateway-pause": "the harness can stop its processor, and let it go on where it was",
    "several-gateways": "more than one of them can run at the same time",
    "gateway-placement": "assigns a device that enrolls to its home among several gateways",
    "gateway-suspension": "ends the session of a Device that is suspended, and refuses it",
    "gateway-api-faults": "its requests to the cluster can be made to fail",
}
"""The features of gateways, each with its meaning; scenarios ask for them by ``requires``."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The gateway that ``--gateway`` names: its kind, and the table ``[gateways.NAME]`` that describes it."""

    kind: str
    table: Mapping[str, Any] = field(default_factory=dict)
    where: str = "--gateway"
    """The file and table, for messages."""
    folder: Path = field(default_factory=Path)
    """The project's folder, for relative paths in the table."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """The line of each key of the table in its file, as far as it is known."""
    system: Path | None = None
    """The file of the system that it is a part of (``system.toml``)."""
    lacks: frozenset[str] = frozenset()
    """Features of gateways and boards that the system under test lacks, whatever its parts can do."""
    wire: str = VERSION_1
    """The wire between it and devices, of :data:`~harness.wasmbed.protocol.dialects.wires.WIRES`."""
    extent: Extent = WHOLE
    """The resource types, phases, and fields that the system has."""

    def at(self, key: str) -> str:
        """Where a key is written, for messages."""
        return f"{self.where}, line {self.lines[key]}" if key in self.lines else f"{self.where} {key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySetup:
    """Everything that one gateway is started with."""

    settings: GatewaySettings
    """Its name, where it has to listen (port 0: any free one), what it advertises, and its intervals and limits."""
    identities: tuple[Identity, ...]
    """Its certificates with their keys, each of another algorithm; boards trust their authorities."""
    devices: Authority
    """The authority of the devices' certificates, with its key."""
    namespace: str
    api: ResourceApi
    """The cluster, for a gateway in this process."""
    give_access: Callable[[Path], Awaitable[None]]
    """Writes a kubeconfig for a gateway outside of this process; its requests are recorded as the gateway's."""
    clock: Clock
    network: Network
    randomness: Randomness
    tap: Tap
    """Records links and HTTP requests; for a gateway that does this itself (:attr:`Gateway.records`)."""
    console: Callable[[str], object]
    """Takes each line of its log."""
    ended: Callable[[str], object]
    """Has to be called, with how, when a gateway outside of this process ends by itself after its start."""
    revocations_loaded: Callable[[], object]
    """Has to be called when a revocation list is in force (feature ``gateway-revocation``)."""


class Gateway(ABC):
    """One gateway from its start to its end; a restart makes a new one."""

    kind: ClassVar[str]
    features: ClassVar[frozenset[str]] = frozenset()
    """The names in :data:`FEATURES` that apply, whatever a table says."""
    described: ClassVar[bool] = False
    """Whether only a table says which program it is, so that the kind's name alone cannot be chosen."""
    wires: ClassVar[frozenset[str]] = frozenset(WIRES)
    """The wires that it can speak with devices."""
    writes_everything: ClassVar[bool] = False
    """Whether it works only where the cluster has every phase and field of a Device and a Gateway."""
    records: ClassVar[bool] = False
    """Whether it reports its links and HTTP requests to the tap itself; otherwise the harness records them outside."""

    def __init__(self, setup: GatewaySetup, choice: Choice) -> None:
        """Raises UsageError for an invalid table."""
        self.setup, self.choice = setup, choice

    @classmethod
    def unavailable(cls) -> str | None:
        """Why this kind cannot run here, in one line that says how to get it; None if it can."""
        return None

    @classmethod
    def features_of(cls, choice: Choice) -> frozenset[str]:
        """The features of a gateway with that table. Raises UsageError for an invalid table."""
        return cls.features

    @classmethod
    def device_authority(cls, choice: Choice) -> tuple[Path, Path] | None:
        """The certificate and the key (DER) of the authority that it trusts for devices, if it brings its own."""
        return None

    @classmethod
    def tunnelled(cls, choice: Choice) -> bool:
        """Whether its devices' identities are not the harness's, so that nobody can end their TLS but the gateway."""
        return False

    @property
    @abstractmethod
    def endpoint(self) -> Endpoint:
        """Where it listens for devices, once started."""

    @property
    @abstractmethod
    def http_endpoint(self) -> Endpoint | None:
        """Where its HTTP API is, once started; None if it has none."""

    @abstractmethod
    async def start(self) -> None:
        """Return when it serves devices. Raises RigError saying what to do; nothing of it is then left."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop it gracefully."""

    @abstractmethod
    async def kill(self) -> None:
        """End it at once, without a word to devices or cluster."""

    async def pause(self) -> None:
        """Stop its processor: it does nothing any more, and its connections stay open (feature ``gateway-pause``)."""
        raise self._lacks("gateway-pause", "be paused")

    async def resume(self) -> None:
        """Let it go on where it was."""
        raise self._lacks("gateway-pause", "be paused")

    async def reload(self, identities: tuple[Identity, ...]) -> None:
        """Have it present other certificates from now on (feature ``gateway-reload``)."""
        raise self._lacks("gateway-reload", "read its certificates again")

    def _lacks(self, feature: str, what: str) -> UsageError:
        do = f"mark the test with requires({feature!r})"
        return UsageError(f"a gateway of kind {self.kind} cannot {what}", where=self.choice.where, do=do)

    def check(self) -> None:  # noqa: B027, a gateway in this process cannot be gone
        """Raise ProductFailure if it ended by itself, with its last lines."""

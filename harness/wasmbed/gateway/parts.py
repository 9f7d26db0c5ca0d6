"""The parts of a gateway, and the builder that puts them together.

There are two sides: the cluster side reads and writes the Kubernetes API, the device side serves links. Parts are
built in the order of their dependencies, so none refers to one that does not exist yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.core.clock import Clock
from harness.core.history import Tap
from harness.core.identifiers import Randomness
from harness.core.network import Network
from harness.wasmbed.gateway.admission_checks import AdmissionChecks
from harness.wasmbed.gateway.application_status import ApplicationStatusWriter
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.deployments import Deployments
from harness.wasmbed.gateway.device_ids import DeviceIds
from harness.wasmbed.gateway.device_listener import DeviceListener
from harness.wasmbed.gateway.device_queue import DeviceQueues
from harness.wasmbed.gateway.device_status import DeviceStatusWriter
from harness.wasmbed.gateway.dismissals import Dismissals
from harness.wasmbed.gateway.enrollment import Enrollment
from harness.wasmbed.gateway.enrollment_places import EnrollmentPlaces
from harness.wasmbed.gateway.first_message import FirstMessageHandler
from harness.wasmbed.gateway.gateway_address import GatewayAddress
from harness.wasmbed.gateway.heartbeats import HeartbeatMonitor
from harness.wasmbed.gateway.http_api import HttpApi
from harness.wasmbed.gateway.metrics import Metrics
from harness.wasmbed.gateway.modules import ModuleLibrary
from harness.wasmbed.gateway.neighbours import Neighbours
from harness.wasmbed.gateway.orphans import Orphans
from harness.wasmbed.gateway.own_spec import OwnSpec
from harness.wasmbed.gateway.pairing import Pairing
from harness.wasmbed.gateway.registration import Registration
from harness.wasmbed.gateway.revocations import Revocations
from harness.wasmbed.gateway.service import LinkService
from harness.wasmbed.gateway.session_handler import SessionHandler
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.status_queries import StatusQueries
from harness.wasmbed.gateway.status_target import ClusterTarget
from harness.wasmbed.gateway.status_writer import StatusWriter
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.resources.api import ResourceApi

__all__ = ["ClusterSide", "DeviceSide", "GatewayParts", "PartsBuilder"]


@dataclass(frozen=True, slots=True)
class ClusterSide:
    """The parts that read and write the Kubernetes API."""

    cache: DeviceCache
    neighbours: Neighbours
    own_spec: OwnSpec
    target: ClusterTarget
    writer: StatusWriter
    beat_writer: StatusWriter
    """Writes only the gateway's own beats, so that they never wait behind the status of devices."""
    device_status: DeviceStatusWriter
    application_status: ApplicationStatusWriter
    registration: Registration


@dataclass(frozen=True, slots=True)
class DeviceSide:
    """The parts that serve devices."""

    queues: DeviceQueues
    queries: StatusQueries
    service: LinkService
    listener: DeviceListener
    dismissals: Dismissals
    revocations: Revocations


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """A gateway that is built and not yet started."""

    sessions: Sessions
    address: GatewayAddress
    cluster: ClusterSide
    devices: DeviceSide
    http: HttpApi


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsBuilder:
    """Everything that a gateway is built from; :meth:`build` makes the parts."""

    settings: GatewaySettings
    identities: Iterable[Identity]
    certificates: CertificateManager
    api: ResourceApi
    clock: Clock
    network: Network
    randomness: Randomness
    tap: Tap | None
    authority: Authority | None

    def build(self) -> GatewayParts:
        """Return a gateway's parts, connected to each other."""
        sessions, address = Sessions(self.settings, self.randomness), GatewayAddress(self.settings)
        cluster = self._cluster_side(sessions, address)
        metrics = Metrics(self.settings, sessions, cluster.writer)
        devices = self._device_side(sessions, address, cluster, metrics)
        http = self._http(sessions, address, cluster, devices, metrics)
        cluster.own_spec.on_disabled(devices.dismissals.end_all)
        cluster.cache.on_deleted(devices.dismissals.device_deleted)
        cluster.cache.on_suspended(devices.dismissals.device_suspended)
        cluster.target.on_gone(devices.dismissals.gone)
        cluster.target.on_gone(Orphans(sessions, devices.queues).gone)
        return GatewayParts(sessions, address, cluster, devices, http)

    def _cluster_side(self, sessions: Sessions, address: GatewayAddress) -> ClusterSide:
        settings, api, clock, randomness = self.settings, self.api, self.clock, self.randomness
        cache = DeviceCache(api, clock, randomness)
        target = ClusterTarget(cache, settings.name)
        requests, timeout = settings.api_requests, settings.api_timeout
        writer = StatusWriter(api, clock, randomness, requests=requests, timeout=timeout, target=target)
        own_spec = OwnSpec(settings, sessions, clock)
        beat_writer = StatusWriter(api, clock, randomness, requests=1, timeout=timeout)
        return ClusterSide(
            cache,
            Neighbours(settings, api, clock, randomness, sessions, cache, address, own_spec),
            own_spec,
            target,
            writer,
            beat_writer,
            DeviceStatusWriter(settings, clock, writer, cache),
            ApplicationStatusWriter(settings, clock, writer),
            Registration(settings, api, clock, randomness, beat_writer),
        )

    def _device_side(
        self, sessions: Sessions, address: GatewayAddress, cluster: ClusterSide, metrics: Metrics
    ) -> DeviceSide:
        settings, clock, certificates = self.settings, self.clock, self.certificates
        queues = DeviceQueues(settings, clock, cluster.application_status, metrics)
        queries = StatusQueries(sessions, settings, clock)
        places = EnrollmentPlaces(settings, clock, sessions)
        checks, monitor = AdmissionChecks(settings, clock, sessions), HeartbeatMonitor(settings, clock)
        first_message = self._first_message(sessions, address, cluster, metrics, places, checks, monitor)
        device_status, application_status = cluster.device_status, cluster.application_status
        handler = SessionHandler(
            clock, first_message, checks, monitor, device_status, application_status, queues, queries, metrics
        )
        service = LinkService(settings, clock, sessions, handler, device_status, queues, self.tap)
        listener = DeviceListener(
            settings, clock, self.network, self.identities, certificates, service, places, metrics, address, self.tap
        )
        dismissals = Dismissals(clock, sessions, certificates, service)
        revocations = Revocations(self.api, clock, self.randomness, certificates, dismissals, self.tap)
        return DeviceSide(queues, queries, service, listener, dismissals, revocations)

    def _first_message(
        self,
        sessions: Sessions,
        address: GatewayAddress,
        cluster: ClusterSide,
        metrics: Metrics,
        places: EnrollmentPlaces,
        checks: AdmissionChecks,
        monitor: HeartbeatMonitor,
    ) -> FirstMessageHandler:
        settings, api, clock, cache = self.settings, self.api, self.clock, cluster.cache
        ids = DeviceIds(cache, self.randomness)
        enrollment = Enrollment(settings, api, clock, cache, checks, ids, cluster.device_status)
        pairing = Pairing(settings, api, clock, self.randomness, cache, checks, ids, cluster.own_spec, self.authority)
        return FirstMessageHandler(
            settings,
            clock,
            self.certificates,
            cache,
            sessions,
            checks,
            places,
            enrollment,
            pairing,
            monitor,
            metrics,
            address,
            cluster.neighbours,
        )

    def _http(
        self, sessions: Sessions, address: GatewayAddress, cluster: ClusterSide, devices: DeviceSide, metrics: Metrics
    ) -> HttpApi:
        settings, clock = self.settings, self.clock
        deployments = Deployments(sessions, cluster.cache, ModuleLibrary(settings.modules), devices.queues)
        return HttpApi(
            settings, clock, self.network, sessions, address, deployments, devices.queries, metrics, self.tap
        )

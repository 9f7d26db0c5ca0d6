"""Enrollment of a device that has a certificate: judge the request, register the device, wait for the controller.

The order of the checks is that of the error table; nothing is written before all of them have passed.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.core.identifiers import Randomness
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.device_status import DeviceStatusWriter, device_spec
from harness.wasmbed.gateway.nonces import NonceMemory
from harness.wasmbed.gateway.refusals import PeerRefused, certificate_invalid, try_again
from harness.wasmbed.gateway.sessions import Session, Sessions
from harness.wasmbed.gateway.settings import KNOWN_CAPABILITIES, REQUIRED_CAPABILITIES, GatewaySettings
from harness.wasmbed.pki.certificates import PeerCertificate
from harness.wasmbed.protocol.messages import EnrollmentRequest, ErrorCode
from harness.wasmbed.resources.api import ApiError, Conflict, Invalid, ResourceApi
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.phases import DevicePhase, IllegalMove
from harness.wasmbed.resources.views import Device

__all__ = ["Enrollment"]

_PROVISIONAL_IDS = 1024


class Enrollment:
    """Admits devices. ``retry_after`` tells for how long a device's present session may last, in seconds."""

    def __init__(
        self,
        settings: GatewaySettings,
        api: ResourceApi,
        clock: Clock,
        randomness: Randomness,
        cache: DeviceCache,
        records: DeviceStatusWriter,
        sessions: Sessions,
        retry_after: Callable[[str], float],
    ) -> None:
        self._settings, self._api, self._clock, self._randomness = settings, api, clock, randomness
        self._cache, self._device_status, self._sessions = cache, records, sessions
        self._retry_after = retry_after
        self._nonces = NonceMemory(settings.nonces)
        self._provisional: dict[str, str] = {}

    async def enroll(self, session: Session, peer: PeerCertificate, request: EnrollmentRequest) -> str:
        """Register the device that ``peer`` names and return its id. Raises :class:`PeerRefused`.

        From the claim of its name on, the session is the device's. When the API server cannot be reached, what was
        begun is finished in the background: the device ends up Disconnected, and may enroll again.
        """
        self.check_claims(request)
        if request.public_key != peer.public_key:
            raise certificate_invalid("the key in the request is not the certificate's")
        self.check_nonce(peer.name, request)
        self.claim(session, peer.name)
        device = self._cache.get(peer.name)
        self.check_key(device, request.public_key)
        device_id = (device and device.status.device_id) or self.provisional_id(peer.name)
        session.on_record = True
        try:
            async with self._clock.deadline(self._settings.enrollment_timeout):
                await self._register(peer.name, device, request)
                await self._device_status.enrolling(peer.name, device_id)
                confirmed = await self._cache.wait_for(peer.name, _is_decided)
        except Invalid as error:
            raise PeerRefused(
                ErrorCode.ENROLLMENT_FAILED, f"the request breaks the Device's schema: {error}"
            ) from error
        except IllegalMove as error:
            raise self.later(f"the device cannot enroll now: {error}") from error
        except (OSError, ApiError) as error:
            self._device_status.began_to_enroll(peer.name, device_id)
            raise self.later(f"enrollment could not be completed: {reason(error)}") from error
        if confirmed is None:
            raise self.later("the device was deleted while it enrolled")
        if confirmed.status.phase == DevicePhase.FAILED:
            raise PeerRefused(
                ErrorCode.ENROLLMENT_FAILED, confirmed.status.error or "the controller refused the device"
            )
        if confirmed.status.phase != DevicePhase.ENROLLED:
            raise self.later(f"the device became {confirmed.status.phase} while it enrolled")
        self._provisional.pop(peer.name, None)
        return device_id

    def check_claims(self, request: EnrollmentRequest) -> None:
        """What the device says it is, and can do."""
        known = self._settings.device_types
        if request.device_type not in known:
            raise PeerRefused(
                ErrorCode.ENROLLMENT_FAILED,
                f"unknown device type {request.device_type!r:.80}; known: {', '.join(sorted(known))}",
            )
        offered = set(request.capabilities)
        if unknown := sorted(offered - KNOWN_CAPABILITIES):
            raise PeerRefused(
                ErrorCode.UNSUPPORTED_CAPABILITY,
                f"unknown capabilities {', '.join(unknown):.200}; known: {', '.join(sorted(KNOWN_CAPABILITIES))}",
            )
        if missing := sorted(REQUIRED_CAPABILITIES - offered):
            raise PeerRefused(ErrorCode.UNSUPPORTED_CAPABILITY, f"missing capabilities: {', '.join(missing)}")

    def check_nonce(self, name: str, request: EnrollmentRequest) -> None:
        """Each request may be made once."""
        if not self._nonces.is_fresh(name, request.nonce):
            raise PeerRefused(ErrorCode.REPLAYED_MESSAGE, "this enrollment request was received before")

    def claim(self, session: Session, name: str) -> None:
        """One session at a time, and only while there is room."""
        self._sessions.claim(session, name, self._retry_after(name))

    def check_key(self, device: Device | None, public_key: bytes) -> None:
        """The key that was registered first is the device's."""
        if device is not None and device.spec.public_key != b64encode(public_key).decode():
            raise certificate_invalid(f"device {device.name} is registered with another key")

    def provisional_id(self, name: str) -> str:
        """The id that a device will get when it enrolls with the certificate it is about to be issued."""
        device = self._cache.get(name)
        if device is not None and device.status.device_id:
            return device.status.device_id
        if name not in self._provisional and len(self._provisional) >= _PROVISIONAL_IDS:
            del self._provisional[next(iter(self._provisional))]
        return self._provisional.setdefault(name, self._randomness.uuid())

    def later(self, reason: str) -> PeerRefused:
        """A refusal with which nothing is wrong with the device: it may come back."""
        return try_again(reason, self._sessions.retry_after())

    async def _register(self, name: str, device: Device | None, request: EnrollmentRequest) -> None:
        spec = device_spec(request)
        if device is None:
            body = {"apiVersion": DEVICE.api_version, "kind": DEVICE.kind, "metadata": {"name": name}, "spec": spec}
            try:
                created = await self._api.create(DEVICE, body)
            except Conflict:
                device = Device(await self._api.get(DEVICE, name))
                self.check_key(device, request.public_key)
            else:
                self._cache.remember(DEVICE, created)
                return
        changed = {field: value for field, value in spec.items() if device.spec.raw.get(field) != value}
        if changed:
            self._cache.remember(DEVICE, await self._api.patch(DEVICE, name, {"spec": changed}))


def _is_decided(device: Device) -> bool:
    return device.status.phase not in (DevicePhase.PENDING, DevicePhase.ENROLLING)

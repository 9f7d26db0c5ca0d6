"""Enrollment of a device that has a certificate: check the request, register the device, wait for the controller.

The checks run in the order of the error table. Nothing is written before all of them have passed.
"""

from __future__ import annotations

from http import HTTPStatus

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.wasmbed.gateway.admission_checks import AdmissionChecks
from harness.wasmbed.gateway.cache import DeviceCache
from harness.wasmbed.gateway.device_ids import DeviceIds
from harness.wasmbed.gateway.device_status import DeviceStatusWriter
from harness.wasmbed.gateway.refusals import PeerRefused, certificate_invalid
from harness.wasmbed.gateway.session import Session
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.pki.certificates import PeerCertificate
from harness.wasmbed.protocol.messages import EnrollmentRequest, ErrorCode
from harness.wasmbed.resources.api import ApiError, Conflict, Invalid, NotFound, Object, ResourceApi
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.manifests import device_spec, new_object
from harness.wasmbed.resources.phases import DevicePhase, IllegalMove
from harness.wasmbed.resources.views import Device

__all__ = ["Enrollment"]


class Enrollment:
    """Registers devices in the cluster."""

    def __init__(
        self,
        settings: GatewaySettings,
        api: ResourceApi,
        clock: Clock,
        cache: DeviceCache,
        checks: AdmissionChecks,
        ids: DeviceIds,
        device_status: DeviceStatusWriter,
    ) -> None:
        self._settings, self._api, self._clock = settings, api, clock
        self._cache, self._checks, self._ids, self._device_status = cache, checks, ids, device_status

    async def enroll(self, session: Session, peer: PeerCertificate, request: EnrollmentRequest) -> str:
        """Register the device that ``peer`` names and return its id. Raises :class:`PeerRefused`.

        The session holds the device's name from its claim on. If the API server is unreachable, the enrollment that
        was begun is completed in the background: the device ends up Disconnected and may enroll again.
        """
        self._checks.check_claims(request)
        if request.public_key != peer.public_key:
            raise certificate_invalid("the key in the request is not the certificate's")
        self._checks.check_nonce(peer.name, request)
        self._checks.claim(session, peer.name)
        device = self._cache.get(peer.name)
        self._checks.check_key(device, request.public_key)
        session.put_on_record()
        try:
            async with self._clock.deadline(self._settings.enrollment_timeout):
                await self._register(peer.name, device, request)
                await self._device_status.enrolling(session, self._ids.of(peer.name))
                confirmed = await self._cache.wait_for(peer.name, _is_decided)
        except Invalid as error:
            raise PeerRefused(
                ErrorCode.ENROLLMENT_FAILED, f"the request breaks the Device's schema: {error}"
            ) from error
        except IllegalMove as error:
            raise self._checks.retry(f"the device cannot enroll now: {error}") from error
        except (OSError, ApiError) as error:
            self._device_status.began_to_enroll(session, self._ids.of(peer.name))
            raise self._checks.retry(f"enrollment could not be completed: {reason(error)}") from error
        enrolled = self._enrolled(confirmed)
        device_id = enrolled.status.device_id or self._ids.of(peer.name)
        self._ids.settle(peer.name)
        return device_id

    def _enrolled(self, device: Device | None) -> Device:
        """Refuse the enrollment unless the controller has moved ``device`` to Enrolled. None: it was deleted."""
        if device is None:
            raise self._checks.retry("the device was deleted while it enrolled")
        if device.status.phase == DevicePhase.FAILED:
            raise PeerRefused(ErrorCode.ENROLLMENT_FAILED, device.status.error or "the controller refused the device")
        if device.status.phase != DevicePhase.ENROLLED:
            raise self._checks.retry(f"the device became {device.status.phase} while it enrolled")
        return device

    async def _register(self, name: str, device: Device | None, request: EnrollmentRequest) -> None:
        """Create the Device, or update its spec where the request differs."""
        spec = _spec(request)
        if device is None:
            try:
                created = await self._api.create(DEVICE, new_object(DEVICE, name, spec))
            except Conflict:
                found = await self._api.get(DEVICE, name)
                self._cache.remember(DEVICE, found)
                device = Device(found)
                self._checks.check_key(device, request.public_key)
            except (OSError, ApiError) as error:
                device = await self._made(name, error)
                self._checks.check_key(device, request.public_key)
            else:
                self._cache.remember(DEVICE, created)
                return
        changed = {field: value for field, value in spec.items() if device.spec.raw.get(field) != value}
        if changed:
            self._cache.remember(DEVICE, await self._api.patch(DEVICE, name, {"spec": changed}))

    async def _made(self, name: str, error: OSError | ApiError) -> Device:
        """Return the Device if it was made although the answer was ``error``; raises that if it was not."""
        if isinstance(error, ApiError) and error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise error
        try:
            found = await self._api.get(DEVICE, name)
        except NotFound:
            raise error from None
        self._cache.remember(DEVICE, found)
        return Device(found)


def _spec(request: EnrollmentRequest) -> Object:
    return device_spec(
        public_key=request.public_key,
        device_type=request.device_type,
        mcu_type=request.mcu_type,
        architecture=request.architecture,
        capabilities=request.capabilities,
        firmware_version=request.firmware_version,
        largest_module=request.largest_module,
    )


def _is_decided(device: Device) -> bool:
    return device.status.phase not in (DevicePhase.PENDING, DevicePhase.ENROLLING)

"""The dialect of the fork: a message is what one read of up to 1,024 bytes returned, without frame or envelope.

Its gateway expects bare messages and answers none of them: it sends back the bytes that it read. One of its devices
sends envelopes ``[0, id, message]``, which its gateway does not understand. Application status with metrics and
deployments with a configuration are not well-formed CBOR: the array header says 5, and 8 items follow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from harness.wasmbed.protocol.dialects.items import (
    UINT32,
    Reader,
    array,
    float32,
    item,
    text_map,
    texts,
    unsigned,
)
from harness.wasmbed.protocol.dialects.messages import (
    ApplicationConfig,
    ApplicationMetrics,
    BareHeartbeat,
    BareHeartbeatAcknowledgment,
    DeployModule,
    DeviceUuid,
    DialectMessage,
    EnrollmentAccepted,
    EnrollmentCompleted,
    EnrollmentRejected,
    EnrollmentStart,
    NumberedState,
    NumberedStatus,
    PublicKey,
    UuidAcknowledgment,
)
from harness.wasmbed.protocol.dialects.u import VERSION, read_envelope
from harness.wasmbed.protocol.errors import ProtocolError, UnknownTag
from harness.wasmbed.protocol.messages import (
    ApplicationStatusRequest,
    DeploymentResult,
    DeviceInfo,
    DeviceInfoRequest,
    Stop,
    StopResult,
)

__all__ = ["LARGEST_READ", "Reading", "decode_device", "decode_gateway", "encode"]

LARGEST_READ = 1024
"""Bytes that one read of the original returns at most; what it cuts off it does not understand."""
_MALFORMED = "not well-formed: the array header says 5 items, and 8 follow"


class Reading(NamedTuple):
    """A message and what there is to say about its bytes."""

    message: DialectMessage
    end: int
    """The byte after it, at which another one may begin."""
    message_id: int | None = None
    """That of its envelope; None for a bare message."""
    malformed: str | None = None
    """How its bytes break the rules of CBOR."""


def encode(message: DialectMessage, message_id: int | None = None) -> bytes:
    """Encode a bare message, or one with an envelope. Raises :class:`ValueError` for what the dialect does not have."""
    layout = _BY_CLASS.get(message.__class__)
    if layout is None:
        raise ValueError(f"{message!r} is not a message of this dialect")
    body = array(layout.size) + unsigned(layout.tag) + b"".join(layout.write(message))
    if message_id is None:
        return body
    return array(3) + unsigned(VERSION) + unsigned(message_id, UINT32) + body


def decode_device(data: bytes, at: int = 0) -> Reading:
    """Decode a device's message at byte ``at``. Raises :class:`ProtocolError`, or its subclass :class:`UnknownTag`."""
    return _decode(data, at, _DEVICE)


def decode_gateway(data: bytes, at: int = 0) -> Reading:
    """Decode a gateway's message at byte ``at``. Raises :class:`ProtocolError` or its subclass :class:`UnknownTag`."""
    return _decode(data, at, _GATEWAY)


def _decode(data: bytes, at: int, layouts: Mapping[int, _Layout]) -> Reading:
    reader, message_id = Reader(data, at), None
    size = reader.array()
    if size == 3:  # no message has three items
        reader.at = at
        message_id = read_envelope(reader)
        at = reader.at
        size = reader.array()
    try:
        tag = reader.unsigned()
        layout = layouts.get(tag)
        if layout is None:
            raise UnknownTag(tag, message_id=message_id or 0)
        if size != layout.size:
            raise ProtocolError(f"an array of {size}, not {layout.size}", offset=at)
        message = layout.read(reader)
    except ProtocolError as error:
        error.message_id = message_id
        raise
    extra = isinstance(message, NumberedStatus) and message.metrics is not None
    extra = extra or (isinstance(message, DeployModule) and message.config is not None)
    return Reading(message, reader.at, message_id, _MALFORMED if extra else None)


class _Layout(NamedTuple):
    """A message: its tag, the size that its array header says, and how its fields are read and written."""

    message: type[Any]
    tag: int
    size: int
    read: Callable[[Reader], Any]
    write: Callable[[Any], list[bytes]]


def _empty(message: type[Any], tag: int) -> _Layout:
    return _Layout(message, tag, 1, lambda reader: message(), lambda given: [])


def _read_key(reader: Reader) -> PublicKey:
    return PublicKey(reader.byte_string())


def _write_key(message: PublicKey) -> list[bytes]:
    return [item(_given(message.public_key), bytes)]


def _read_status(reader: Reader) -> NumberedStatus:
    application, number = reader.text(), reader.unsigned(UINT32)
    state = NumberedState(number) if number < NumberedState.UNKNOWN else NumberedState.UNKNOWN
    error = None if reader.null() else reader.text()
    metrics = None
    if not reader.null():
        metrics = ApplicationMetrics(reader.unsigned(), reader.float32(), reader.unsigned(), reader.unsigned())
    return NumberedStatus(application, state, error, metrics)


def _write_status(status: NumberedStatus) -> list[bytes]:
    fields = [item(status.application_id, str), unsigned(NumberedState(status.state)), item(status.error, str)]
    metrics = status.metrics
    if metrics is None:
        return [*fields, item(None, str)]
    return [*fields, unsigned(metrics.memory), float32(metrics.cpu), unsigned(metrics.uptime), unsigned(metrics.calls)]


def _read_result(kind: type[Any]) -> Callable[[Reader], Any]:
    def read(reader: Reader) -> Any:
        application, ok = reader.text(), reader.boolean()
        return kind(application, ok, None if reader.null() else reader.text())

    return read


def _write_result(result: Any) -> list[bytes]:
    if getattr(result, "metrics", None) or getattr(result, "code", None):
        raise ValueError("this dialect has neither metrics nor a code of a result")
    return [item(_given(result.application_id), str), item(_given(result.ok), bool), item(result.error, str)]


def _read_deployment(reader: Reader) -> DeployModule:
    application, name, module = reader.text(), reader.text(), reader.byte_string()
    config = None
    if not reader.null():
        config = ApplicationConfig(reader.unsigned(), reader.unsigned(), reader.text_map(), reader.texts())
    return DeployModule(application, name, module, config)


def _write_deployment(deploy: DeployModule) -> list[bytes]:
    fields = [
        item(_given(deploy.application_id), str),
        item(_given(deploy.name), str),
        item(_given(deploy.module), bytes),
    ]
    config = deploy.config
    if config is None:
        return [*fields, item(None, str)]
    limits = [unsigned(config.memory), unsigned(config.cpu_time)]
    return [*fields, *limits, text_map(config.environment), texts(config.arguments)]


def _write_uuid(message: DeviceUuid) -> list[bytes]:
    if len(message.uuid) != 16:
        raise ValueError(f"{len(message.uuid)} bytes, not 16")
    return [item(message.uuid, bytes)]


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("None where a value must be")
    return value


_DEVICE = {
    layout.tag: layout
    for layout in (
        _empty(BareHeartbeat, 0),
        _empty(EnrollmentStart, 1),
        _Layout(
            PublicKey,
            2,
            2,
            lambda reader: PublicKey(reader.byte_string()),
            lambda key: [item(_given(key.public_key), bytes)],
        ),
        _empty(UuidAcknowledgment, 3),
        _Layout(NumberedStatus, 4, 5, _read_status, _write_status),
        _Layout(DeploymentResult, 5, 4, _read_result(DeploymentResult), _write_result),
        _Layout(StopResult, 6, 4, _read_result(StopResult), _write_result),
        _Layout(
            DeviceInfo,
            7,
            5,
            lambda reader: DeviceInfo(reader.unsigned(), reader.text(), reader.texts(), reader.unsigned()),
            lambda info: [
                unsigned(info.memory),
                item(_given(info.architecture), str),
                texts(info.runtime_features),
                unsigned(info.largest_module),
            ],
        ),
    )
}
_GATEWAY = {
    layout.tag: layout
    for layout in (
        _empty(BareHeartbeatAcknowledgment, 0),
        _empty(EnrollmentAccepted, 1),
        _Layout(
            EnrollmentRejected,
            2,
            2,
            lambda reader: EnrollmentRejected(reader.text_in_bytes()),
            lambda rejected: [item(_given(rejected.reason).encode(), bytes)],
        ),
        _Layout(DeviceUuid, 3, 2, lambda reader: DeviceUuid(reader.byte_string(16)), _write_uuid),
        _empty(EnrollmentCompleted, 4),
        _Layout(DeployModule, 5, 5, _read_deployment, _write_deployment),
        _Layout(Stop, 6, 2, lambda reader: Stop(reader.text()), lambda stop: [item(_given(stop.application_id), str)]),
        _empty(DeviceInfoRequest, 7),
        _Layout(
            ApplicationStatusRequest,
            8,
            2,
            lambda reader: ApplicationStatusRequest(None if reader.null() else reader.text()),
            lambda request: [item(request.application_id, str)],
        ),
    )
}
_BY_CLASS = {layout.message: layout for layout in (*_DEVICE.values(), *_GATEWAY.values())}

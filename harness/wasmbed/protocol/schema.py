"""``wasmbed.cddl`` as a table: the tag and fields of each message, and the permitted values of each field.

A kind's ``read`` turns a decoded CBOR value into an attribute's value, and its ``write`` does the opposite; both raise
:class:`ValueError` with a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.wasmbed.protocol import messages as m

__all__ = ["DEVICE_MESSAGES", "GATEWAY_MESSAGES", "LAYOUTS", "Kind", "Layout", "MessageField"]

UINT64 = (1 << 64) - 1
INT64 = (1 << 63) - 1


class Kind(NamedTuple):
    """The permitted values of a field, on the wire and in a message."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


class MessageField(NamedTuple):
    """One field of a message. An optional field is None in the message if it is absent on the wire."""

    number: int
    attribute: str
    kind: Kind
    required: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """One message: its class, its tag, and its fields in ascending order of numbers."""

    message: type[Any]
    tag: int
    fields: tuple[MessageField, ...]


def _text(least: int = 0, most: int | None = None) -> Kind:
    def check(value: Any) -> str:
        if value.__class__ is not str:
            raise ValueError("not a text string")
        if most is not None:
            size = len(value.encode())
            if not least <= size <= most:
                raise ValueError(f"{size} bytes of text, not {_span(least, most)}")
        return value

    def write(value: Any) -> str:
        return check(str(value) if isinstance(value, str) else value)

    return Kind(check, write)


def _data(least: int = 0, most: int | None = None) -> Kind:
    def check(value: Any) -> bytes:
        if value.__class__ is not bytes:
            raise ValueError("not a byte string")
        if most is not None and not least <= len(value) <= most:
            raise ValueError(f"{len(value)} bytes, not {_span(least, most)}")
        return value

    return Kind(check, check)


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _integer(least: int, most: int) -> Kind:
    def check(value: Any) -> int:
        if value.__class__ is not int:
            raise ValueError("not an integer")
        if not least <= value <= most:
            raise ValueError(f"{value} is not within {least} to {most}")
        return value

    return Kind(check, check)


def _boolean(value: Any) -> bool:
    if value.__class__ is not bool:
        raise ValueError("neither true nor false")
    return value


_STATES = {state.value: state for state in m.ApplicationState}


def _read_state(value: Any) -> m.ApplicationState:
    state = _STATES.get(value) if value.__class__ is str else None
    if state is None:
        raise ValueError("not an application state")
    return state


def _write_state(value: Any) -> str:
    return m.ApplicationState(value).value


def _array(item: Kind) -> Kind:
    read_item, write_item = item

    def read(value: Any) -> tuple[Any, ...]:
        if value.__class__ is not list:
            raise ValueError("not an array")
        return tuple([read_item(element) for element in value])

    def write(value: Any) -> list[Any]:
        if isinstance(value, str | bytes):
            raise ValueError("a string, not a sequence")
        return [write_item(element) for element in value]

    return Kind(read, write)


def _map(key: Kind, item: Kind) -> Kind:
    read_key, write_key = key
    read_item, write_item = item

    def read(value: Any) -> dict[str, Any]:
        if value.__class__ is not dict:
            raise ValueError("not a map")
        return {read_key(name): read_item(element) for name, element in value.items()}

    def write(value: Any) -> dict[str, Any]:
        pairs = [(write_key(name), write_item(element)) for name, element in value.items()]
        if len(pairs) > 1:
            # Encoded keys in bytewise order (RFC 8949, 4.2.1): the length comes first in the encoding of a string.
            pairs.sort(key=_encoded_order)
        return dict(pairs)

    return Kind(read, write)


def _encoded_order(pair: tuple[str, Any]) -> tuple[int, bytes]:
    encoded = pair[0].encode()
    return len(encoded), encoded


text = _text()
data = _data()
boolean = Kind(_boolean, _boolean)
unsigned = _integer(0, UINT64)
milliseconds = unsigned
texts = _array(text)
device_id = _text(36, 36)
application_id = _text(1, 253)
application_state = Kind(_read_state, _write_state)
metrics = _map(text, _integer(-INT64 - 1, INT64))


def _read_publication(value: Any) -> m.Publication:
    if value.__class__ is not list or len(value) != 2:
        raise ValueError("not a pair of topic and payload")
    return m.Publication(text.read(value[0]), data.read(value[1]))


def _write_publication(value: Any) -> list[Any]:
    return [text.write(value.topic), data.write(value.payload)]


def _read_limits(value: Any) -> m.Limits:
    if value.__class__ is not dict or not value.keys() >= {0, 1, 2}:
        raise ValueError("not a map of memory, fuel and wall time")
    return m.Limits(unsigned.read(value[0]), unsigned.read(value[1]), unsigned.read(value[2]))


def _write_limits(value: Any) -> dict[int, int]:
    return {0: unsigned.write(value.memory), 1: unsigned.write(value.fuel), 2: unsigned.write(value.wall_time)}


publications = _array(Kind(_read_publication, _write_publication))
limits = Kind(_read_limits, _write_limits)


def _layout(message: type[Any], tag: int, *fields: MessageField) -> Layout:
    return Layout(message, tag, fields)


_ERROR = _layout(
    m.Error,
    2,
    MessageField(0, "code", text),
    MessageField(1, "message", text),
    MessageField(2, "retry_after", milliseconds, required=False),
    MessageField(3, "action", text, required=False),
)

_DEVICE = (
    _layout(
        m.Heartbeat,
        0,
        MessageField(0, "device_id", device_id),
        MessageField(1, "device_time", milliseconds),
        MessageField(2, "status", text),
        MessageField(3, "metrics", metrics),
        MessageField(4, "runtime_status", text),
        MessageField(5, "applications", _map(application_id, application_state)),
    ),
    _layout(
        m.EnrollmentRequest,
        1,
        MessageField(0, "device_type", text),
        MessageField(1, "mcu_type", text),
        MessageField(2, "architecture", text),
        MessageField(3, "capabilities", texts),
        MessageField(4, "public_key", data),
        MessageField(5, "firmware_version", text),
        MessageField(6, "nonce", _data(8, 64)),
        MessageField(7, "csr", data, required=False),
        MessageField(8, "pairing_token", text, required=False),
        MessageField(9, "largest_module", unsigned, required=False),
    ),
    _ERROR,
    _layout(m.EnrollmentAcknowledgment, 3, MessageField(0, "device_id", device_id)),
    _layout(
        m.ApplicationStatus,
        4,
        MessageField(0, "application_id", application_id),
        MessageField(1, "state", application_state),
        MessageField(2, "metrics", metrics),
        MessageField(3, "error", text, required=False),
        MessageField(4, "publications", publications, required=False),
    ),
    _layout(
        m.DeploymentResult,
        5,
        MessageField(0, "application_id", application_id),
        MessageField(1, "ok", boolean),
        MessageField(2, "error", text, required=False),
        MessageField(3, "metrics", metrics),
        MessageField(4, "code", text, required=False),
    ),
    _layout(
        m.StopResult,
        6,
        MessageField(0, "application_id", application_id),
        MessageField(1, "ok", boolean),
        MessageField(2, "error", text, required=False),
    ),
    _layout(
        m.DeviceInfo,
        7,
        MessageField(0, "memory", unsigned),
        MessageField(1, "architecture", text),
        MessageField(2, "runtime_features", texts),
        MessageField(3, "largest_module", unsigned),
    ),
    _layout(
        m.RuntimeFault,
        8,
        MessageField(0, "application_id", application_id),
        MessageField(1, "code", text),
        MessageField(2, "message", text),
        MessageField(3, "backtrace", texts),
        MessageField(4, "resource_use", metrics),
    ),
    _layout(
        m.ChunkAcknowledgment,
        9,
        MessageField(0, "application_id", application_id),
        MessageField(1, "index", unsigned),
    ),
)

_GATEWAY = (
    _layout(m.HeartbeatAcknowledgment, 0, MessageField(0, "gateway_time", milliseconds)),
    _layout(
        m.EnrollmentResponse,
        1,
        MessageField(0, "device_id", device_id),
        MessageField(1, "gateway_name", text),
        MessageField(2, "gateway_endpoint", text),
        MessageField(3, "heartbeat_interval", milliseconds),
        MessageField(4, "certificate", data, required=False),
        MessageField(5, "reassigned", boolean, required=False),
    ),
    _ERROR,
    _layout(
        m.Deploy,
        5,
        MessageField(0, "application_id", application_id),
        MessageField(1, "name", text),
        MessageField(2, "size", unsigned),
        MessageField(3, "sha256", _data(32, 32)),
        MessageField(4, "chunk_size", unsigned),
        MessageField(5, "limits", limits),
        MessageField(6, "entry", text),
        MessageField(7, "arguments", texts),
        MessageField(8, "environment", _map(text, text), required=False),
    ),
    _layout(m.Stop, 6, MessageField(0, "application_id", application_id)),
    _layout(m.DeviceInfoRequest, 7),
    _layout(m.ApplicationStatusRequest, 8, MessageField(0, "application_id", application_id, required=False)),
    _layout(
        m.ModuleChunk,
        9,
        MessageField(0, "application_id", application_id),
        MessageField(1, "index", unsigned),
        MessageField(2, "data", data),
    ),
)

DEVICE_MESSAGES = {layout.tag: layout for layout in _DEVICE}
"""The messages of devices, by tag."""
GATEWAY_MESSAGES = {layout.tag: layout for layout in _GATEWAY}
"""The messages of gateways, by tag."""
LAYOUTS = {layout.message: layout for layout in (*_DEVICE, *_GATEWAY)}
"""Every message, by its class."""

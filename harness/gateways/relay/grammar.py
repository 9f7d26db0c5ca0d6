"""The messages and fields of ``wasmbed.cddl``, as much as is needed to alter them on the wire."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from harness.wasmbed.protocol.link import Direction

__all__ = ["Field", "MessageType", "message_types"]

_COMMENT = re.compile(r";[^\n]*")
_RULE = re.compile(r"^([a-z][a-z0-9-]*)\s*=\s*", re.MULTILINE)
_MESSAGE = re.compile(r"\[(\d+), \{(.*)\}\]", re.DOTALL)
_FIELD = re.compile(r"(\?\s*)?(\d+):\s*([^,{}\[\]]+|\[[^\]]*\]|\{[^}]*\})")
_SENDERS = {"device-message": Direction.RECEIVED, "gateway-message": Direction.SENT}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message. ``choices`` are the texts that it may have, where the contract lists them; ``type`` is the
    contract's word for what it holds."""

    number: int
    optional: bool
    choices: tuple[str, ...] = ()
    type: str = ""


@dataclass(frozen=True, slots=True)
class MessageType:
    """A message that one end may send; ``direction`` is seen from the gateway."""

    name: str
    tag: int
    direction: Direction
    fields: tuple[Field, ...]

    @property
    def sender(self) -> str:
        """``device`` or ``gateway``."""
        return "device" if self.direction is Direction.RECEIVED else "gateway"


@cache
def message_types() -> tuple[MessageType, ...]:
    """Return every message of the contract, once for each end that may send it, in the contract's order."""
    rules = _rules(files("harness.wasmbed.protocol").joinpath("wasmbed.cddl").read_text("utf-8"))
    return tuple(
        _message(name.strip(), direction, rules)
        for rule, direction in _SENDERS.items()
        for name in rules[rule].split("/")
    )


def _rules(text: str) -> dict[str, str]:
    text = _COMMENT.sub("", text)
    starts = list(_RULE.finditer(text))
    ends = [each.start() for each in starts[1:]] + [len(text)]
    return {each[1]: text[each.end() : end].strip() for each, end in zip(starts, ends, strict=True)}


def _message(name: str, direction: Direction, rules: dict[str, str]) -> MessageType:
    found = _MESSAGE.fullmatch(rules[name])
    assert found is not None, f"{name} is a tag and a map of fields"
    fields = tuple(
        Field(int(number), bool(optional), tuple(re.findall(r'"([^"]*)"', rules.get(type_.strip(), ""))), type_.strip())
        for optional, number, type_ in _FIELD.findall(found[2])
    )
    return MessageType(name, int(found[1]), direction, fields)

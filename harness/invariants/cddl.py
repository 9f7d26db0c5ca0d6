"""Checks items against a contract in CDDL (RFC 8610), as much of the language as ``wasmbed.cddl`` uses.

The file itself is the contract: what it does not allow is a fault, whatever a codec makes of it. Two things it says in
words: unknown fields of a message are ignored, and unknown messages are answered, so neither is a fault.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from harness.core.errors import UsageError
from harness.invariants.acceptance import (
    Accept,
    Unaccepted,
    accept_array,
    accept_boolean,
    accept_bytes,
    accept_literals,
    accept_map,
    accept_number,
    accept_pairs,
    accept_text,
    accept_tuple,
)
from harness.invariants.cbor import ITEMS, Item

__all__ = ["Contract", "load_contract"]

Place = tuple["Place | None", str, "Item | int"]
"""Where an item is: the place that it is inside, a word (``field``), and its key or its number."""
Check = Callable[[Item, "Place | None", list[str]], None]
"""Adds what is wrong with an item at a place, which is put into words only then."""

_TOKENS = re.compile(
    r"""\s+|;[^\n]*|(?P<range>-?\d+\.\.-?\d+)|(?P<number>-?\d+)|"(?P<text>[^"]*)"|(?P<name>\.?[a-z][a-z0-9-]*)"""
    r"""|(?P<mark>=>|[=\[\]{}(),:/?*])"""
)
_TYPES = {"uint": (0,), "bstr": (2,), "tstr": (3,), "bool": (7,), "int": (0, 1)}
_MOST_UNSIGNED = 2**64 - 1


class _Rule(NamedTuple):
    """A type of the contract: what is wrong with an item, and whether bytes are one that is right."""

    check: Check
    accept: Accept


@dataclass(frozen=True, slots=True)
class _Member:
    """An entry of a map or an array. ``key`` is None in an array, and for a key that any item of a type may be."""

    key: int | None
    rule: _Rule
    required: bool = True
    repeated: bool = False
    key_rule: _Rule | None = None

    @property
    def check(self) -> Check:
        return self.rule.check


class Contract:
    """The rules of a file. Raises UsageError naming what it cannot read."""

    def __init__(self, text: str) -> None:
        self._tokens = [(kind, match[kind]) for match in _scan(text) if (kind := match.lastgroup) is not None]
        self._at = 0
        self._rules: dict[str, _Rule] = {}
        self._tags: dict[str, int] = {}
        self._messages: list[tuple[list[str], dict[int, _Rule]]] = []
        """The choices, by the names of what may be chosen; a tag says which of several messages it is."""
        while self._at < len(self._tokens):
            self._read_rule()
        for names, tagged in self._messages:
            tagged.update((self._tags[name], self._rules[name]) for name in names if name in self._tags)

    def faults(self, rule: str, item: Item) -> list[str]:
        """Return the parts of ``item`` that break the rule of that name, each with its place."""
        faults: list[str] = []
        self._rules[rule].check(item, None, faults)
        return faults

    def accepted(self, rule: str, data: bytes) -> Any:
        """Return the value of ``data`` if it is one item that keeps the rule of that name.

        Raises :class:`Unaccepted` if that is not so, or not sure.
        """
        if len(data) > ITEMS:
            raise Unaccepted
        try:
            value, end = self._rules[rule].accept(data, 0)
        except (IndexError, UnicodeDecodeError):
            raise Unaccepted from None
        if end != len(data):
            raise Unaccepted
        return value

    def _read_rule(self) -> None:
        name = self._take("name")
        self._expect("=")
        begin = self._at
        self._rules[name] = self._read_choice()
        tokens = self._tokens[begin : begin + 2]
        if tokens[0] == ("mark", "[") and tokens[1][0] == "number":
            self._tags[name] = int(tokens[1][1])

    def _read_choice(self) -> _Rule:
        tokens = [self._tokens[self._at]]
        rules = [self._read_type()]
        while self._peek() == ("mark", "/"):
            self._at += 1
            tokens.append(self._tokens[self._at])
            rules.append(self._read_type())
        return rules[0] if len(rules) == 1 else self._choice(tokens, rules)

    def _choice(self, tokens: list[tuple[str, str]], rules: list[_Rule]) -> _Rule:
        names, tagged = [name for _, name in tokens], dict[int, _Rule]()
        self._messages.append((names, tagged))

        def check(item: Item, where: Place | None, faults: list[str]) -> None:
            if len(tagged) == len(rules):
                _check_tagged(item, where, tagged, faults)
            elif all(_is_broken(each.check, item, where) for each in rules):
                faults.append(f"{_at(where)}{item} is none of {', '.join(names)}")

        def accept(data: bytes, at: int) -> tuple[Any, int]:
            rule = tagged.get(data[at + 1])  # behind an array's first byte
            if rule is None:
                raise Unaccepted
            return rule.accept(data, at)

        return _Rule(check, accept_literals(names) if tokens[0][0] == "text" else accept)

    def _read_type(self) -> _Rule:
        kind, value = self._tokens[self._at]
        self._at += 1
        if kind == "range":
            least, most = map(int, re.findall(r"(?:^|(?<=\.\.))-?\d+", value))
            return _whole_number(least, most)
        if kind == "number":
            return _whole_number(int(value), int(value))
        if kind == "text":
            return _literal(value)
        if (kind, value) == ("mark", "["):
            return _array(self._read_members("]"))
        if (kind, value) == ("mark", "{"):
            return _map(self._read_members("}"))
        if kind != "name":
            raise UsageError(f"cannot read {value!r}", where="CDDL", do="write what wasmbed.cddl uses of RFC 8610")
        shortest, longest = self._read_size()
        if value not in _TYPES:
            rules = self._rules
            return _Rule(
                lambda item, where, faults: rules[value].check(item, where, faults),
                lambda data, at: rules[value].accept(data, at),
            )
        if value == "uint":
            return _whole_number(0, _MOST_UNSIGNED if longest is None else 256**longest - 1)
        return _plain(value, shortest, longest)

    def _read_size(self) -> tuple[int, int | None]:
        if self._peek() != ("name", ".size"):
            return 0, None
        self._at += 1
        enclosed = self._peek() == ("mark", "(")
        self._at += enclosed
        numbers = re.findall(r"\d+", self._tokens[self._at][1])
        self._at += 1 + enclosed
        return int(numbers[0]), int(numbers[-1])

    def _read_members(self, end: str) -> list[_Member]:
        members = []
        while self._peek() != ("mark", end):
            mark = self._peek()
            optional, repeated = mark == ("mark", "?"), mark == ("mark", "*")
            self._at += optional or repeated
            following = self._tokens[self._at + 1]
            if following == ("mark", ":"):
                key = int(self._take("number"))
                self._at += 1
                members.append(_Member(key, self._read_choice(), not optional))
            else:
                rule = self._read_choice()
                if self._peek() == ("mark", "=>"):
                    self._at += 1
                    members.append(_Member(None, self._read_choice(), False, True, rule))
                else:
                    members.append(_Member(None, rule, not (optional or repeated), repeated))
            if self._peek() == ("mark", ","):
                self._at += 1
        self._at += 1
        return members

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _take(self, kind: str) -> str:
        found, value = self._peek()
        if found != kind:
            raise UsageError(f"{value!r} where a {kind} is due", where="CDDL", do="correct the contract")
        self._at += 1
        return value

    def _expect(self, mark: str) -> None:
        if self._take("mark") != mark:
            raise UsageError(f"no {mark!r} where one is due", where="CDDL", do="correct the contract")


@cache
def load_contract() -> Contract:
    """The contract of the wire."""
    return Contract(files("harness.wasmbed.protocol").joinpath("wasmbed.cddl").read_text("utf-8"))


def _scan(text: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            raise UsageError(f"cannot read {text[at : at + 20]!r}", where="CDDL", do="correct the contract")
        yield match
        at = match.end()


def _at(where: Place | None) -> str:
    return f"{_in_words(where)}: " if where is not None else ""


def _in_words(place: Place) -> str:
    outside, word, which = place
    return f"{_in_words(outside)}, {word} {which}" if outside is not None else f"{word} {which}"


def _is_broken(check: Check, item: Item, where: Place | None) -> bool:
    faults: list[str] = []
    check(item, where, faults)
    return bool(faults)


def _whole_number(least: int, most: int) -> _Rule:
    wanted = str(least) if least == most else f"a whole number from {least} to {most}"

    def check(item: Item, where: Place | None, faults: list[str]) -> None:
        is_right = item.major <= 1 and item.value is not None and least <= item.value <= most
        if not is_right and not item.is_cut:
            faults.append(f"{_at(where)}{item} where {wanted} is due")

    return _Rule(check, accept_number(least, most))


def _literal(text: str) -> _Rule:
    wanted = text.encode()

    def check(item: Item, where: Place | None, faults: list[str]) -> None:
        if not item.is_cut and (item.major != 3 or item.value not in (wanted, None)):
            faults.append(f'{_at(where)}{item} where "{text}" is due')

    return _Rule(check, accept_literals([text]))


def _plain(name: str, least: int, most: int | None) -> _Rule:
    majors, is_bool = _TYPES[name], name == "bool"

    def check(item: Item, where: Place | None, faults: list[str]) -> None:
        if item.major not in majors or (is_bool and not isinstance(item.value, bool)):
            if not item.is_cut:
                faults.append(f"{_at(where)}{item} where {name} is due")
        elif most is not None and not least <= item.length <= most and not item.is_cut:
            bounds = f"{least}" if least == most else f"{least} to {most}"
            faults.append(f"{_at(where)}{item.length} bytes where {bounds} are due")

    if is_bool:
        return _Rule(check, accept_boolean)
    return _Rule(check, accept_text(least, most) if majors == (3,) else accept_bytes(least, most))


def _array(members: list[_Member]) -> _Rule:
    repeated = members[0] if len(members) == 1 and members[0].repeated else None

    def check(item: Item, where: Place | None, faults: list[str]) -> None:
        if item.is_cut:
            return
        if item.major != 4:
            faults.append(f"{_at(where)}{item} where an array is due")
        elif repeated is not None:
            for index, each in enumerate(item.value):
                repeated.check(each, (where, "element", index), faults)
        elif item.end and len(item.value) != len(members):
            faults.append(f"{_at(where)}{len(item.value)} elements where {len(members)} are due")
        else:
            for member, each in zip(members, item.value, strict=False):
                member.check(each, where, faults)

    if repeated is not None:
        return _Rule(check, accept_array(repeated.rule.accept))
    return _Rule(check, accept_tuple([member.rule.accept for member in members]))


def _map(members: list[_Member]) -> _Rule:
    known = {member.key: member for member in members if member.key is not None}
    required = frozenset(number for number, member in known.items() if member.required)
    several = next((member for member in members if member.repeated), None)

    def check(item: Item, where: Place | None, faults: list[str]) -> None:
        if item.major != 5 or item.value is None:
            if not item.is_cut:
                faults.append(f"{_at(where)}{item} where a map is due")
            return
        for key, value in item.value:
            place = (where, "field", key)
            if several is not None and several.key_rule is not None:
                several.key_rule.check(key, (where, "key", key), faults)
                several.check(value, place, faults)
            elif key.major != 0:
                faults.append(f"{_in_words(place)}: a field number that is not an unsigned integer")
            elif key.value in known:
                known[key.value].check(value, place, faults)
        if item.end and required:  # without an end, the rest was not recorded
            present = {key.value for key, _ in item.value if key.major == 0}
            missing = sorted(required - present)
            faults.extend(f"{_in_words((where, 'field', number))} is missing" for number in missing)

    if several is not None and several.key_rule is not None:
        return _Rule(check, accept_pairs(several.key_rule.accept, several.rule.accept))
    return _Rule(check, accept_map({number: member.rule.accept for number, member in known.items()}, required))


def _check_tagged(item: Item, where: Place | None, tagged: Mapping[int, _Rule], faults: list[str]) -> None:
    value: Any = item.value
    if item.is_cut:
        return
    if item.major != 4 or not isinstance(value, list) or (item.end and len(value) < 1):
        faults.append(f"{_at(where)}{item} where a message is due")
    elif value and value[0].major != 0 and not value[0].is_cut:
        faults.append(f"{_at(where)}{value[0]} where a message's tag is due")
    elif value and (known := tagged.get(value[0].value)) is not None:
        known.check(item, where, faults)

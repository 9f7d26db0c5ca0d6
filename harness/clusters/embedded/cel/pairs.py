"""Macros over two variables, such as ``list.all(index, item, ...)``, which the library does not have.

They are written as macros over one: over the pairs of a list's indexes and items, or of a map's keys and values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

__all__ = ["PAIRS", "TO_MAP", "expanded", "merged", "pairs"]

PAIRS, TO_MAP = "wasmbed_pairs", "wasmbed_map"
"""The functions that the written macros call."""
_PAIR = "wasmbed_pair"
_MACRO = re.compile(r"\.\s*(all|exists|existsOne|exists_one|transformList|transformMap|transformMapEntry)\s*\(")
_NAME = re.compile(r"\s*([A-Za-z_]\w*)\s*", re.ASCII)
_TEXT = re.compile(
    r"""[rR]?(?:\"\"\".*?\"\"\"|'''.*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|//[^\n]*""", re.DOTALL
)
_DEEPEST = 20


def pairs(container: Any) -> list[list[Any]]:
    """The indexes and items of a list, or the keys and values of a map."""
    items = container.items() if isinstance(container, dict) else enumerate(container)
    return [[key, value] for key, value in items]


def merged(maps: list[Any]) -> Any:
    """One map of many, each with one key. Raises :class:`ValueError` if a key is there twice."""
    made: dict[Any, Any] = {}
    for one in maps:
        for key, value in one.items():
            if key in made:
                raise ValueError(f"insert failed: key '{key}' already exists")
            made[key] = value
    return made


def expanded(text: str, depth: int = 0) -> str:
    """An expression without macros over two variables."""
    if depth > _DEEPEST or _MACRO.search(text) is None:
        return text
    made, place = [], 0
    for found in _macros(text):
        if found.start() < place:
            continue
        arguments, end = _arguments(text, found.end())
        names = [_NAME.fullmatch(argument) for argument in arguments[:2]]
        written = _written(found[1], arguments, depth) if len(names) == 2 and all(names) else None
        if written is None:
            continue
        made += [text[place : found.start()], written]
        place = end
    return "".join([*made, text[place:]])


def _written(macro: str, arguments: list[str], depth: int) -> str | None:
    key, value, *bodies = (argument.strip() for argument in arguments)

    def bound(body: str) -> str:
        inner = expanded(body, depth + 1)
        return f"[{_PAIR}[0]].map({key}, [{_PAIR}[1]].map({value}, {inner})[0])[0]"

    if macro in ("all", "exists", "existsOne", "exists_one"):
        one = "exists_one" if macro == "existsOne" else macro
        return f".{PAIRS}().{one}({_PAIR}, {bound(bodies[0])})" if len(bodies) == 1 else None
    if len(bodies) not in (1, 2):
        return None
    *conditions, made = bodies
    result = f"{{{_PAIR}[0]: {bound(made)}}}" if macro == "transformMap" else bound(made)
    mapped = "".join(f"{bound(condition)}, " for condition in conditions)
    tail = "" if macro == "transformList" else f".{TO_MAP}()"
    return f".{PAIRS}().map({_PAIR}, {mapped}{result}){tail}"


def _macros(text: str) -> Iterator[re.Match[str]]:
    quoted = [found.span() for found in _TEXT.finditer(text)]
    for found in _MACRO.finditer(text):
        if not any(start <= found.start() < end for start, end in quoted):
            yield found


def _arguments(text: str, place: int) -> tuple[list[str], int]:
    """The arguments of a call that begin at ``place``, and where the call ends."""
    found, start, depth = [], place, 0
    while place < len(text):
        if quoted := _TEXT.match(text, place):
            place = quoted.end()
            continue
        character = text[place]
        if depth == 0 and character in ",)":
            found.append(text[start:place])
            start = place + 1
            if character == ")":
                return found, place + 1
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(character, 0)
        place += 1
    return [], len(text)

"""Waiting for a resource to become what a test says it must, and explaining why it did not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from harness.core.errors import ProductFailure, UsageError
from harness.stack.record import Record, format_events
from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.informer import Informer

__all__ = ["Conditions", "wait_for"]

_MISSING = object()


class Conditions:
    """What a status must be: field names in Python's spelling, each with the value it must have or a function that
    judges it. ``statistics={"running": 3}`` asks only for the fields it names."""

    def __init__(self, status: type, wanted: Mapping[str, Any]) -> None:
        unknown = [name for name in wanted if not hasattr(status, name)]
        if unknown:
            known = sorted(name for name in vars(status) if not name.startswith("_"))
            raise UsageError(
                f"{status.__name__} has no {', '.join(unknown)}", where="until", do=f"its fields: {', '.join(known)}"
            )
        self._status, self._wanted = status, wanted

    def hold(self, object: Object | None) -> bool:
        """Whether the object is there and fulfils them all."""
        if object is None:
            return False
        status = self._status(object.get("status") or {})
        return all(_fits(getattr(status, name), value) for name, value in self._wanted.items())

    def __str__(self) -> str:
        return " ".join(f"{name}={_plain(value)}" for name, value in self._wanted.items()) or "existence"


def _fits(found: Any, wanted: Any) -> bool:
    if callable(wanted):
        return bool(wanted(found))
    if isinstance(wanted, Mapping):
        return all(_fits(_item(found, key), value) for key, value in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return list(found or ()) == list(wanted)
    return bool(found == wanted)


def _item(found: Any, key: str) -> Any:
    if isinstance(found, Mapping):
        return found.get(key)
    return getattr(found, key, _MISSING)


def _plain(value: Any) -> str:
    return getattr(value, "__name__", "") if callable(value) else str(value)


async def wait_for(
    informer: Informer,
    name: str,
    judge: Callable[[Object | None], bool],
    *,
    wanted: str,
    within: float,
    record: Record,
    console: Callable[[], Sequence[str]] = tuple,
) -> Object | None:
    """Wait until ``judge`` is content with the object ``name``.

    Raises ProductFailure with the status last seen, the last console lines and the last events.
    """
    try:
        return await informer.wait_for(name, judge, within)
    except TimeoutError:
        kind = informer.resource.kind
        seen = informer.get(name)
        parts = [f"did not reach {wanted} within {within:g} s", f"  status last seen:\n{_show(seen)}"]
        if lines := console()[-8:]:
            parts.append("  console, last lines:\n" + "\n".join(f"    {line}" for line in lines))
        parts.append(f"  events, the last:\n{format_events(record, name)}")
        raise ProductFailure("\n".join(parts), where=f"{kind} {name}") from None


def _show(object: Object | None) -> str:
    if object is None:
        return "    (there is no such resource)"
    text = yaml.safe_dump(object.get("status") or {}, sort_keys=False, width=100).rstrip()
    return "\n".join(f"    {line}" for line in text.splitlines())

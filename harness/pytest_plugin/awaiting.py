"""A forgotten ``await``: told in words, whatever it led to.

What Python itself says of it depends on what was done with the coroutine next - nothing, an attribute, a subscript -
and comes partly after the test, as a warning from the garbage collector.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import CoroutineType
from typing import Any, NoReturn, TypeAlias

from harness.core.errors import UsageError

__all__ = ["watched"]

Unawaited: TypeAlias = "CoroutineType[Any, Any, Any]"


@contextmanager
def watched() -> Iterator[None]:
    """Around the body of a test. Raises UsageError where it calls something asynchronous and does not await it."""
    __tracebackhide__ = True
    depth = sys.get_coroutine_origin_tracking_depth()
    sys.set_coroutine_origin_tracking_depth(max(depth, 1))
    seen: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.filterwarnings("always", message="coroutine .* was never awaited", category=RuntimeWarning)
            yield
        error = None
    except (AttributeError, TypeError) as caught:
        error = caught
    finally:
        sys.set_coroutine_origin_tracking_depth(depth)
        dropped = _take_dropped(seen)
    if forgotten := [*_misused(error), *dropped]:
        _refuse(forgotten[0], error)
    if error is not None:
        raise error


def _take_dropped(seen: list[warnings.WarningMessage]) -> list[Unawaited]:
    """The coroutines that went out of use without ever having run; whatever else was warned of is passed on."""
    dropped = []
    for warning in seen:
        if isinstance(warning.source, CoroutineType):
            dropped.append(warning.source)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return dropped


def _misused(error: Exception | None) -> Iterator[Unawaited]:
    """Coroutines that never ran, at hand where the error came from."""
    trace = error.__traceback__ if error is not None else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    at_hand = [getattr(error, "obj", None), *(trace.tb_frame.f_locals.values() if trace is not None else ())]
    for value in at_hand:
        if isinstance(value, CoroutineType) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            yield value


def _refuse(forgotten: Unawaited, error: Exception | None) -> NoReturn:
    origin = forgotten.cr_origin
    forgotten.close()
    name = forgotten.__qualname__
    raise UsageError(
        f"{name}() was called and never awaited, so it has done nothing",
        where=f"{origin[0][0]}:{origin[0][1]}" if origin else None,
        do=f"write: await ...{name.rpartition('.')[2]}(...)",
    ) from error

"""Reports a forgotten ``await`` clearly, whatever error it led to.

Python's own message depends on the next use of the coroutine (none, an attribute, a subscript) and may come after the
test, as a warning from the garbage collector.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import CoroutineType
from typing import Any, NoReturn, TypeAlias

from harness.core.errors import ProductFailure, UsageError

__all__ = ["watched"]

Unawaited: TypeAlias = "CoroutineType[Any, Any, Any]"


@contextmanager
def watched() -> Iterator[None]:
    """Wraps the body of a test. Raises UsageError if the body calls a coroutine function without awaiting it, and
    ProductFailure if the platform or a board does."""
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
    """The coroutines that were dropped without having run. Other warnings are issued again."""
    dropped = []
    for warning in seen:
        if isinstance(warning.source, CoroutineType):
            dropped.append(warning.source)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return dropped


def _misused(error: Exception | None) -> Iterator[Unawaited]:
    """Coroutines that never ran, among the variables where the error was raised."""
    trace = error.__traceback__ if error is not None else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    values = [getattr(error, "obj", None), *(trace.tb_frame.f_locals.values() if trace is not None else ())]
    for value in values:
        if isinstance(value, CoroutineType) and inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            yield value


def _refuse(forgotten: Unawaited, error: Exception | None) -> NoReturn:
    origin = forgotten.cr_origin
    forgotten.close()
    name = forgotten.__qualname__
    from harness.stack.leftovers import party_of_file  # late: a run without stacks does not need them

    if origin and (party := party_of_file(origin[0][0])) is not None:
        what = f"the {party} called {name}() and never awaited it, so it did nothing"
        raise ProductFailure(what, where=f"{origin[0][0]}:{origin[0][1]}", party=str(party)) from error
    raise UsageError(
        f"{name}() was called and never awaited, so it did nothing",
        where=f"{origin[0][0]}:{origin[0][1]}" if origin else None,
        do=f"write: await ...{name.rpartition('.')[2]}(...)",
    ) from error

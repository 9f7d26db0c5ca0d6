"""Makes keywords of coroutines: Robot calls them from its thread, and they run on the stack's loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast, get_type_hints

from robot.api.deco import keyword

from harness.robot_library.arguments import CONVERTERS
from harness.robot_library.listener import StackListener
from harness.stack.stack import Stack

__all__ = ["StackKeywords", "async_keyword"]

P = ParamSpec("P")
T = TypeVar("T")


class StackKeywords:
    """Base class of the parts of the library."""

    listener: StackListener

    @property
    def stack(self) -> Stack:
        """The stack of the running test, for use inside keywords."""
        return self.listener.stack


def async_keyword(*tags: str) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, T]]:
    """Make a keyword with these tags of a coroutine method of a :class:`StackKeywords`."""

    def decorate(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
        @wraps(method)
        def run(*args: P.args, **kwargs: P.kwargs) -> T:
            return cast(StackKeywords, args[0]).listener.run(lambda: method(*args, **kwargs))

        return cast("Callable[P, T]", keyword(tags=tags, types=_types(method))(run))

    return decorate


def _types(method: Callable[..., object]) -> dict[str, Any]:
    """The types that Robot converts arguments to. A type with a converter is named alone, without None: only then does
    Robot show the converter's error, and it accepts None as a default anyway."""
    converted = {kind | None: kind for kind in CONVERTERS}
    return {name: converted.get(hint, hint) for name, hint in get_type_hints(method).items()}

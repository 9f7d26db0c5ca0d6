"""How a keyword is made: a coroutine on the stack's loop, spoken from Robot's thread."""

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
    """A part of the library: what has keywords."""

    listener: StackListener

    @property
    def stack(self) -> Stack:
        """The stack of the running test; only inside a keyword."""
        return self.listener.stack


def async_keyword(*tags: str) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, T]]:
    """A keyword of that coroutine, a method of a :class:`StackKeywords`, with these tags."""

    def decorate(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
        @wraps(method)
        def speak(*args: P.args, **kwargs: P.kwargs) -> T:
            return cast(StackKeywords, args[0]).listener.speak(lambda: method(*args, **kwargs))

        return cast("Callable[P, T]", keyword(tags=tags, types=_types(method))(speak))

    return decorate


def _types(method: Callable[..., object]) -> dict[str, Any]:
    """What Robot converts to. It tells why a converter refuses a value only where that is the one type there is, and
    takes None by itself where that is the default."""
    converted = {kind | None: kind for kind in CONVERTERS}
    return {name: converted.get(hint, hint) for name, hint in get_type_hints(method).items()}

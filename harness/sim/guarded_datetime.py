"""``datetime.now()`` and its siblings in the modules of tests, which no simulated run may call.

They are C code: no audit event reports them, and their classes cannot be changed. While a simulation runs, the names in
those modules therefore stand for classes that are the real ones in all but this. The harness itself is linted.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["users_names", "without_now"]

_LOOKS = {datetime.datetime: ("now", "utcnow", "today"), datetime.date: ("today",)}
"""The methods that read the machine's time."""
_HARNESS = str(Path(__file__).parents[1])


def without_now(refuse: Callable[[], object]) -> dict[int, Any]:
    """The replacements for the two classes and their module, by the id of what they replace. Their methods that read
    the time call ``refuse``."""
    classes = {original: _refusing(original, names, refuse) for original, names in _LOOKS.items()}
    module = ModuleType("datetime")
    module.__dict__.update(vars(datetime) | {original.__name__: made for original, made in classes.items()})
    return {id(original): made for original, made in classes.items()} | {id(datetime): module}


def users_names(libraries: tuple[str, ...], ids: dict[int, Any]) -> Iterator[tuple[ModuleType, str, Any]]:
    """Each name of a module that belongs neither to the harness nor to the ``libraries``, whose value has one of these
    ``ids``, with what ``ids`` has for it."""
    for module in _users_modules(libraries, len(sys.modules)):
        for name in _names(module, len(vars(module))):
            if (found := ids.get(id(vars(module).get(name)))) is not None:
                yield module, name, found


@lru_cache(maxsize=1)
def _users_modules(libraries: tuple[str, ...], loaded: int) -> list[ModuleType]:
    """The modules that are neither; ``loaded`` is the number of all, so that later ones are found too."""
    return [
        module
        for module in tuple(sys.modules.values())
        if isinstance(file := getattr(module, "__file__", None), str) and not file.startswith((_HARNESS, *libraries))
    ]


@lru_cache(maxsize=4096)
def _names(module: ModuleType, count: int) -> tuple[str, ...]:
    """The names of a module for what reads the machine's time; ``count`` is the number of all, so that later ones are
    found too: each run of a loop asks anew, and has hundreds of modules to look through."""
    looked_for = (datetime, *_LOOKS)
    return tuple(name for name, value in tuple(vars(module).items()) if any(value is one for one in looked_for))


def _refusing(original: type, names: tuple[str, ...], refuse: Callable[[], object]) -> Any:
    class Stand(type):
        def __call__(cls, *arguments: Any, **named: Any) -> Any:
            return original(*arguments, **named)

        def __getattribute__(cls, name: str) -> Any:
            return (lambda *_, **__: refuse()) if name in names else getattr(original, name)

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, original)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, original)

    return Stand(original.__name__, (), {})

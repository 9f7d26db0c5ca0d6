"""The order in which what is ready at the same time runs: a choice of the seed.

asyncio promises that callbacks run in the order in which they were registered, and its transports need that. It
promises nothing about which of several ready tasks runs first, nor does an operating system about which of several
ready sockets comes first. These two choices are free: a run with another order is one that could have happened.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from harness.core.identifiers import Randomness
from harness.sim.stopped import NOTHING, Stopped

__all__ = ["DEPTH", "ChosenOrder", "Pct", "RandomOrder", "ReadyQueue", "ScheduleOrder", "order_of"]

T = TypeVar("T")

DEPTH = 3
"""The number of ordering constraints of a bug that PCT looks for."""
STEPS = 20_000
"""The steps of a run among which PCT spreads its changes of priority."""


class ScheduleOrder(StrEnum):
    """``fifo``: the order of asyncio and of arrival. ``random``: each choice is even. ``pct``: probabilistic
    concurrency testing (Burckhardt et al., ASPLOS 2010): the task of the highest priority runs, and priorities fall at
    a few random steps."""

    FIFO = "fifo"
    RANDOM = "random"
    PCT = "pct"


class ChosenOrder(ABC):
    """Chooses what runs next of what is ready."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness

    @abstractmethod
    def choose(self, tasks: Sequence[object]) -> int:
        """The index of the task that runs next. There are at least two."""

    def shuffle(self, ready: list[T]) -> list[T]:
        """The ready sockets in the order in which the loop gets them."""
        left = list(ready)
        return [left.pop(self._randomness.below(len(left))) for _ in ready]


class RandomOrder(ChosenOrder):
    """Each task is as likely as the others."""

    def choose(self, tasks: Sequence[object]) -> int:
        return self._randomness.below(len(tasks))


class Pct(ChosenOrder):
    """The task of the highest priority, which is random. At ``depth - 1`` random steps the one that would run falls
    behind all others. It finds a bug of ``depth`` ordering constraints with a probability of at least
    1/(n k^(depth-1)), for n tasks and k steps."""

    def __init__(self, randomness: Randomness, depth: int = DEPTH, steps: int = STEPS) -> None:
        super().__init__(randomness)
        self._changes = {randomness.below(steps): -1.0 - number for number in range(depth - 1)}
        self._priorities: WeakKeyDictionary[object, float] = WeakKeyDictionary()
        self._step = 0

    def choose(self, tasks: Sequence[object]) -> int:
        priorities = [self._priority(task) for task in tasks]
        found = max(range(len(tasks)), key=priorities.__getitem__)
        if (fallen := self._changes.get(self._step)) is not None:
            self._priorities[tasks[found]] = fallen
        self._step += 1
        return found

    def _priority(self, task: object) -> float:
        if task not in self._priorities:
            self._priorities[task] = self._randomness.jitter(1.0)
        return self._priorities[task]


def order_of(order: str, randomness: Randomness) -> ChosenOrder | None:
    """The order of that name; None for ``fifo``."""
    if order == ScheduleOrder.FIFO:
        return None
    return RandomOrder(randomness) if order == ScheduleOrder.RANDOM else Pct(randomness)


class ReadyQueue(deque[Any]):
    """A loop's queue of handles: where several steps of tasks follow each other, ``order`` chooses the first. No step
    passes a callback. Handles of a ``stopped`` process are kept there."""

    def __init__(self, order: ChosenOrder | None, stopped: Stopped) -> None:
        super().__init__()
        self._order, self._stopped = order, stopped

    def popleft(self) -> Any:
        handle = self._next()
        return NOTHING if self._stopped.keeps(handle) else handle

    def _next(self) -> Any:
        if self._order is None:
            return super().popleft()
        tasks: list[object] = []
        for handle in self:
            task = getattr(handle._callback, "__self__", None)
            if not isinstance(task, asyncio.Task):
                break
            tasks.append(task)
        if len(tasks) < 2:
            return super().popleft()
        chosen = self._order.choose(tasks)
        handle = self[chosen]
        del self[chosen]
        return handle

"""Applies schedules to a running stack, and keeps account of what applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from harness.core.ahead import Held
from harness.core.clock import Timer
from harness.core.errors import HarnessError, UsageError
from harness.core.history import Event, Kind
from harness.faults.fault import NothingStruck, Strikes
from harness.faults.moments import ArrowMoment, Side
from harness.faults.schedule import Entry, Schedule
from harness.faults.world import World

__all__ = ["Injector"]

_HALF = 0.5


@dataclass(eq=False)
class _Pending:
    """An entry whose moment has not come; ``left`` is how often its arrow still has to come."""

    entry: Entry
    moment: ArrowMoment
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.moment.nth


class Injector:
    """The faults of one stack. ``note`` records what it does, as :meth:`~harness.core.history.History.note` does.

    ``check`` raises UsageError for an entry that a stack like this cannot have: each is asked before it is taken.
    """

    def __init__(self, world: World, note: Callable[..., object], check: Callable[[Entry], object]) -> None:
        self._world, self._note, self._check = world, note, check
        self._arrows: dict[tuple[Side, tuple[str, str, str]], list[_Pending]] = {}
        self._timers: dict[Timer, Entry] = {}
        self._tasks: dict[asyncio.Task[None], Entry] = {}
        self._begun = world.clock.now()
        self._context = copy_context()
        self._stopped = False
        self.applied: list[Entry] = []
        """The faults that began, in that order."""
        self.refused: list[tuple[Entry, str]] = []
        """The faults that could not strike when their moment came, with reasons."""
        self.failed: list[HarnessError] = []
        """Errors at the end of a fault, for instance a board that did not come on again."""

    def begin(self) -> None:
        """Let the times of schedules count from now."""
        self._begun = self._world.clock.now()

    def add(self, schedule: Schedule) -> None:
        """Take the faults of a schedule; times count from the stack's start. Raises UsageError for one that cannot
        apply to this stack, and takes none then."""
        for entry in schedule.entries:
            self._check(entry)
        for entry in schedule.entries:
            if isinstance(entry.when, ArrowMoment):
                pending = _Pending(entry, entry.when)
                side = Side.AFTER if entry.when.side is Side.AFTER else Side.BEFORE
                self._arrows.setdefault((side, entry.when.arrow.event.key), []).append(pending)
            else:
                self._at(entry, entry.when.at)

    def _at(self, entry: Entry, at: float) -> None:
        def begin() -> None:
            del self._timers[timer]
            self._begin(entry, entry.where)

        timer = self._world.clock.call_later(max(self._begun + at - self._world.clock.now(), 0.0), begin)
        self._timers[timer] = entry

    # What crosses boundaries.

    def expects(self, source: str, target: str) -> bool:
        """Whether a fault waits for something before it goes from ``source`` to ``target``."""
        return any(
            waiting and side is Side.BEFORE and key[:2] == (source, target)
            for (side, key), waiting in self._arrows.items()
        )

    def __call__(self, source: str, target: str, name: str, data: Mapping[str, Any], correlation: str) -> Held | None:
        """Called before something crosses a boundary (:class:`harness.core.ahead.Ahead`)."""
        held = [
            Held(self._begin(each.entry, self._place(each, data, correlation)), _part(each.moment))
            for each in self._come(Side.BEFORE, (source, target, name), data, correlation)
        ]
        if len(held) < 2:
            return held[0] if held else None
        return Held(_all_of([each.until for each in held]), max(each.part for each in held))

    def crossed(self, event: Event) -> None:
        """Called with each event of the history."""
        if event.kind is Kind.MESSAGE and self._arrows:
            key = event.source, event.target, event.name
            for each in self._come(Side.AFTER, key, event.data, event.correlation):
                self._begin(each.entry, self._place(each, event.data, event.correlation))

    def _come(self, side: Side, key: tuple[str, str, str], data: Mapping[str, Any], correlation: str) -> list[_Pending]:
        """The entries whose moment this is; they are no longer pending."""
        waiting = self._arrows.get((side, key))
        if not waiting or self._stopped:
            return []
        come = []
        for each in tuple(waiting):
            if each.moment.is_met(data, correlation):
                each.left -= 1
                if not each.left:
                    waiting.remove(each)
                    come.append(each)
        return come

    def _place(self, pending: _Pending, data: Mapping[str, Any], correlation: str) -> str:
        return pending.entry.where or self._place_of(pending, data, correlation)

    def _place_of(self, pending: _Pending, data: Mapping[str, Any], correlation: str) -> str:
        """The place that an arrow is about, for an entry that names none: of a board, the one that enrolled as the
        device, or the first one."""
        if pending.entry.fault.strikes in (Strikes.GATEWAY, Strikes.CLUSTER):
            return ""
        device = pending.moment.device(data, correlation)
        boards = list(self._world.boards)
        named = [board.name for board in boards if self._world.boards.device_of(board) == device]
        return next(iter(named or [board.name for board in boards]), "")

    # What faults do.

    def _begin(self, entry: Entry, place: str) -> asyncio.Future[None]:
        """Apply a fault in a task; returns a future that is done when it has begun, or could not."""
        begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Not in the context of what came: a fault may stop the very process that reported it.
        task = asyncio.get_running_loop().create_task(
            self._apply(entry, place, begun), name=f"fault {entry.fault}", context=self._context.copy()
        )
        self._tasks[task] = entry
        task.add_done_callback(self._tasks.pop)
        return begun

    async def _apply(self, entry: Entry, place: str, begun: asyncio.Future[None]) -> None:
        def note_begun() -> None:
            self.applied.append(entry)
            if not begun.done():
                begun.set_result(None)

        try:
            self._note("fault", fault=str(entry.fault), where=place, when=str(entry.when))
            await entry.fault.strike(self._world, place, note_begun)
        except HarnessError as error:
            if isinstance(error, NothingStruck):
                self.applied.remove(entry)
            elif begun.done():  # an equal entry may be refused and another one not
                self.failed.append(error)
                return
            self.refused.append((entry, error.what))
            self._note("fault refused", fault=str(entry.fault), where=place, why=error.what)
        finally:
            if not begun.done():
                begun.set_result(None)

    async def settled(self) -> None:
        """Wait until the faults that have begun are over. Raises what went wrong at the end of one."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        for error in self.failed:
            raise error

    async def stop(self) -> None:
        """End the faults that are active, and begin none any more: what crosses while the stack ends has none."""
        self._stopped = True
        for timer in tuple(self._timers):
            timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def pending(self) -> list[Entry]:
        """The faults whose moment has not come."""
        arrows = [each.entry for waiting in self._arrows.values() for each in waiting]
        return [*self._timers.values(), *arrows]

    def account(self) -> str:
        """Return the faults that applied so far, in a line."""
        return "; ".join(f"{entry.fault} {entry.when}" for entry in self.applied) or "none applied"

    def check_applied(self) -> None:
        """Raise UsageError naming each fault that did not apply: its moment never came, or it could not strike."""
        never = [
            f"{entry}: its {'arrow' if isinstance(entry.when, ArrowMoment) else 'time'} never came"
            for entry in self.pending
        ]
        for error in self.failed:
            raise error
        lines = [*never, *(f"{entry}: {why}" for entry, why in self.refused)]
        if lines:
            first = next(iter(self.pending), None) or self.refused[0][0]
            raise UsageError(
                f"{len(lines)} of the schedule's faults did not apply: {'; '.join(lines)}",
                where=first.line or "schedule",
                do="choose moments that come in this test, or leave these faults out",
            )


def _part(moment: ArrowMoment) -> float:
    return _HALF if moment.side is Side.DURING else 0.0


def _all_of(futures: Sequence[asyncio.Future[None]]) -> asyncio.Future[None]:
    """A future that is done when all of them are."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    left = set(futures)

    def count(future: asyncio.Future[None]) -> None:
        left.discard(future)
        if not left and not done.done():
            done.set_result(None)

    for each in futures:
        each.add_done_callback(count)
    return done

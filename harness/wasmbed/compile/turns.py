"""A few jobs at a time, in turns among users: after a user's job comes one of each other user that waits."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["QueueFull", "Turns"]


class QueueFull(Exception):
    """Nobody else may wait; ``own`` if it is the user's own jobs that wait."""

    def __init__(self, message: str, *, own: bool) -> None:
        super().__init__(message)
        self.own = own


class Turns:
    """``jobs`` at a time; at most ``waiting`` wait, and ``own`` of one user."""

    def __init__(self, jobs: int, waiting: int, own: int) -> None:
        self._free, self._most, self._most_own = jobs, waiting, own
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        """By user, the one whose turn is next first."""

    @property
    def waiting(self) -> int:
        """The number of jobs that wait."""
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def turn(self, user: str) -> AsyncIterator[None]:
        """Wait for a turn, and have it until the block ends. Raises :class:`QueueFull`."""
        await self._take(user)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, user: str) -> None:
        if self._free:
            self._free -= 1
            return
        if len(self._waiting.get(user, ())) >= self._most_own:
            raise QueueFull(f"{self._most_own} compilations of {user} wait already", own=True)
        if self.waiting >= self._most:
            raise QueueFull(f"{self._most} compilations wait already", own=False)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(user, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(user, turn)
            else:
                self._pass_on()
            raise

    def _forget(self, user: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(user)
        if turns is None or turn not in turns:  # it was passed over meanwhile
            return
        turns.remove(turn)
        if not turns:
            del self._waiting[user]

    def _pass_on(self) -> None:
        while self._waiting:
            user, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[user] = turns
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._free += 1

"""Requests that a client repeats because it did not hear the answer (header ``Idempotency-Key``): they get that answer,
and nothing is created twice."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from harness.core.clock import Clock
from harness.wasmbed.api.operation import Result
from harness.wasmbed.api.problems import Problem

__all__ = ["Repeats"]

_KEPT = 1024
"""Answers that are kept, the latest."""
_KEPT_FOR = 600.0
"""Seconds: some answers have a key or a token in them."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A request by its SHA-256, its answer, and when it came (clock seconds)."""

    digest: bytes
    answer: asyncio.Future[Result]
    began: float


class Repeats:
    """Answers by caller and key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: OrderedDict[tuple[str, str], _Request] = OrderedDict()

    async def once(self, caller: str, key: str, request: bytes, run: Callable[[], Awaitable[Result]]) -> Result:
        """Return the answer to ``request``, from ``run`` or from before. An answer that is a refusal is not kept.

        Raises :class:`Problem` 409 if the key came with another request.
        """
        digest = hashlib.sha256(request).digest()
        self._forget()
        known = self._answers.get((caller, key))
        if known is not None:
            if known.digest != digest:
                raise Problem(409, "this Idempotency-Key came with another request before")
            return await asyncio.shield(known.answer)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._answers[caller, key] = _Request(digest, future, self._clock.now())
        try:
            answer = await run()
        except BaseException as error:
            self._answers.pop((caller, key), None)
            if not future.done():
                future.set_exception(error if isinstance(error, Problem) else Problem(503, "the first request failed"))
                future.exception()  # it is raised here too; nobody may have waited
            raise
        future.set_result(answer)
        return answer

    def _forget(self) -> None:
        """Make room, and forget the old ones."""
        oldest = self._clock.now() - _KEPT_FOR
        while self._answers and (len(self._answers) >= _KEPT or next(iter(self._answers.values())).began < oldest):
            self._answers.popitem(last=False)

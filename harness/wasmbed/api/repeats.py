"""Requests that a client repeats because it did not hear the answer (header ``Idempotency-Key``): they get that answer,
and nothing is created twice."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from harness.wasmbed.api.operation import Result
from harness.wasmbed.api.problems import Problem

__all__ = ["Repeats"]

_KEPT = 1024
"""Answers that are kept, the latest."""


class Repeats:
    """Answers by caller and key."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[str, str], tuple[bytes, asyncio.Future[Result]]] = OrderedDict()

    async def once(self, caller: str, key: str, request: bytes, run: Callable[[], Awaitable[Result]]) -> Result:
        """Return the answer to ``request``, from ``run`` or from before. An answer that is a refusal is not kept.

        Raises :class:`Problem` 409 if the key came with another request.
        """
        digest = hashlib.sha256(request).digest()
        known = self._answers.get((caller, key))
        if known is not None:
            if known[0] != digest:
                raise Problem(409, "this Idempotency-Key came with another request before")
            return await asyncio.shield(known[1])
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._answers[caller, key] = digest, future
        if len(self._answers) > _KEPT:
            self._answers.popitem(last=False)
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

"""Counts what a cluster did to requests although no fault of the test asked for it: the rig failed, not the product.

Faults that a test orders are made before the request reaches the cluster, so none of them is counted here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from harness.core.clock import Clock
from harness.core.errors import reason
from harness.wasmbed.resources.api import ApiError

__all__ = ["FLOOD", "SLOW", "Disturbances", "is_of_server"]

FLOOD = 100
"""Requests under way at once from which on 429 is the answer to the stack's own load. A cluster that Kubernetes'
defaults protect queues several times as many before it refuses one."""
SLOW = 2.0
"""Seconds from which on a request waited too long for its answer. A server, and the machine under both, that has time
for them answers in milliseconds."""
_OF_THE_SERVER = frozenset({401, 429, 500, 502, 503, 504})
_QUOTED = 200


def is_of_server(code: int) -> bool:
    """Whether a status says something about the server or the credentials, and not about the request."""
    return code in _OF_THE_SERVER


class Disturbances:
    """Counts them for all clients of one stack.

    A stack whose requests were disturbed convicts nobody if its test fails: the product saw another cluster than the
    test describes, and where an answer was lost, the record lacks the write.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._first = ""
        self._under_way = 0
        self._all_expected = False

    def expect_all(self) -> None:
        """Count nothing from now on: the test itself ends the server, and what follows comes from that."""
        self._all_expected = True

    @contextmanager
    def asking(self, request: str) -> Iterator[None]:
        """Inside, ``request`` is under way (``PATCH Device d1 of Gateway``); the error that ends it is counted, and a
        wait of :data:`SLOW`, also one that was given up."""
        self._under_way += 1
        begin = self._clock.now()
        try:
            yield
        except ApiError as error:
            self.answered(error.code, request, str(error))
            raise
        except OSError as error:
            self.cut(request, error)
            raise
        finally:
            if self._clock.now() - begin >= SLOW and self._under_way <= FLOOD:
                self._count(f"that waited {SLOW:g} s or more", request)
            self._under_way -= 1

    def answered(self, code: int, request: str, message: str = "") -> None:
        """Count an answer to ``request``, or its watch's end, if ``code`` is not one about the request itself."""
        if not is_of_server(code) or (code == HTTPStatus.TOO_MANY_REQUESTS and self._under_way > FLOOD):
            return
        self._count(f"answered with {code}", f"{request}: {message or HTTPStatus(code).phrase}")

    def cut(self, request: str, error: Exception) -> None:
        """Count a request without a whole answer, or a watch that was cut."""
        self._count("cut off or not answered", f"{request}: {reason(error)}")

    def expired(self, request: str) -> None:
        """Count a watch that ended with 410: what changed until the next list is not in the record."""
        self._count("ended with 410 Gone", request)

    def __str__(self) -> str:
        """All of them, and the first; empty if there was none."""
        if not self._counts:
            return ""
        counted = ", ".join(f"{number} {how}" for how, number in self._counts.items())
        return f"{self._counts.total()} requests or watches ({counted}); the first: {self._first}"

    def _count(self, how: str, what: str) -> None:
        if self._all_expected:
            return
        self._first = self._first or what[:_QUOTED]
        self._counts[how] += 1

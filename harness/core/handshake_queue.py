"""The order in which peers get their handshakes, and a budget for handshakes that fail.

Hosts take turns, so that a flood from one does not delay the others. A handshake takes one token from its host's budget
and one from the common budget. It returns them when it succeeds, or when nothing was computed for it. So a fleet behind
one address is never delayed, and a host whose handshakes fail waits until its budget has refilled.
"""

from __future__ import annotations

import heapq
import ipaddress
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Budget", "HandshakeQueue"]

P = TypeVar("P")

_ADDRESSES = 4096
"""The largest number of hosts whose budgets are stored; a full budget is not stored."""
_PREFIX = 64
"""The bits of an IPv6 address that tell hosts apart: one subscriber has the whole network (RFC 6177)."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Budget:
    """Handshakes that may fail: ``burst`` at once, and ``rate`` per second after that."""

    burst: int
    rate: float


class _Bucket:
    """The state of one budget."""

    __slots__ = ("_at", "_budget", "_level")

    def __init__(self, budget: Budget, now: float) -> None:
        self._budget, self._level, self._at = budget, float(budget.burst), now

    @property
    def is_full(self) -> bool:
        return self._level >= self._budget.burst

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0 if there is one."""
        self._level = min(self._level + (now - self._at) * self._budget.rate, self._budget.burst)
        self._at = now
        missing = 1 - self._level
        return missing / self._budget.rate if missing > _ROUNDING else 0.0

    def add(self, tokens: int) -> None:
        self._level = min(self._level + tokens, self._budget.burst)


class HandshakeQueue(Generic[P]):
    """Peers that have sent their ClientHello, by host. Times are seconds of one clock."""

    def __init__(self, address: Budget, total: Budget, now: float) -> None:
        self._budget = address
        self._total = _Bucket(total, now)
        self._buckets: dict[str, _Bucket] = {}
        self._peers: dict[str, deque[P]] = {}
        self._turns: OrderedDict[str, None] = OrderedDict()
        """Hosts that may have a token; the last one is next."""
        self._parked: list[tuple[float, str]] = []
        """A heap of hosts without a token, by the time at which they get one."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def push(self, host: str, peer: P) -> None:
        """Append a peer. A host without waiting peers goes first."""
        host = _network(host)
        if host not in self._peers:
            self._peers[host] = deque()
            self._turns[host] = None
        self._peers[host].append(peer)
        self._count += 1

    def pop(self, now: float) -> P | None:
        """The next peer: the newest of the host whose turn it is, since older ones may have left. None if the queue is
        empty or no host in it has a token."""
        if self._total.wait(now):
            return None
        while self._parked and self._parked[0][0] <= now:
            host = heapq.heappop(self._parked)[1]
            if host in self._peers:
                self._turns[host] = None
        while self._turns:
            host, _ = self._turns.popitem()
            bucket = self._buckets.get(host) or _Bucket(self._budget, now)
            if wait := bucket.wait(now):
                heapq.heappush(self._parked, (now + wait, host))
                continue
            self._remember(host, bucket)
            bucket.add(-1)
            self._total.add(-1)
            peer = self._peers[host].pop()
            self._count -= 1
            if self._peers[host]:
                self._turns[host] = None
                self._turns.move_to_end(host, last=False)
            else:
                del self._peers[host]
            return peer
        return None

    def give_back(self, host: str) -> None:
        """Return the tokens of a handshake that succeeded or was not begun."""
        host = _network(host)
        self._total.add(1)
        bucket = self._buckets.get(host)
        if bucket is not None:
            bucket.add(1)
            if bucket.is_full:
                del self._buckets[host]

    def wait(self, now: float) -> float | None:
        """Seconds until :meth:`pop` can return a peer; None while the queue is empty."""
        if not self._count:
            return None
        host_wait = 0.0 if self._turns or not self._parked else self._parked[0][0] - now
        return max(self._total.wait(now), host_wait, 0.0)

    def drop_oldest(self) -> P | None:
        """Remove and return the oldest peer of a host without a token, or else of the host whose turn is last."""
        parked = next((host for _, host in self._parked if host in self._peers), None)
        host = parked or next(iter(self._turns), None)
        if host is None:
            return None
        peer = self._peers[host].popleft()
        self._count -= 1
        if not self._peers[host]:
            del self._peers[host]
            self._turns.pop(host, None)
        return peer

    def _remember(self, host: str, bucket: _Bucket) -> None:
        if host not in self._buckets and len(self._buckets) >= _ADDRESSES:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[host] = bucket


def _network(host: str) -> str:
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host)
    return str(address.ipv4_mapped or ipaddress.IPv6Network((address, _PREFIX), strict=False))

"""Asks in-memory sockets instead of the operating system which are ready."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.sim.order import ChosenOrder
from harness.sim.sockets import SimulatedSockets
from harness.sim.stopped import Stopped

__all__ = ["SimulatedSelector"]

Ready = list[tuple[selectors.SelectorKey, int]]


class SimulatedSelector(selectors.BaseSelector):
    """Once in each turn of the event loop, it calls ``arrived`` if sockets are ready, or else ``idle`` with the seconds
    that the loop may wait: 0 if anything can run; None if no timer is set."""

    def __init__(
        self,
        sockets: SimulatedSockets,
        arrived: Callable[[], object],
        idle: Callable[[float | None], object],
        order: ChosenOrder | None,
        stopped: Stopped,
    ) -> None:
        """``order`` is that of several ready sockets; None: the order in which they became ready. Those of ``stopped``
        processes stay as they are."""
        self._sockets, self._arrived, self._idle, self._order = sockets, arrived, idle, order
        self._stopped = stopped
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._touched: dict[int, None] = {}
        """Sockets that may be ready, in the order in which that was noticed: the order of a set differs by run."""
        sockets.touch = self._touch

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        descriptor = _descriptor(fileobj)
        if descriptor in self._keys:
            raise KeyError(f"{fileobj!r} is already registered")
        self._sockets[descriptor]  # KeyError for a descriptor of the operating system
        key = self._keys[descriptor] = selectors.SelectorKey(fileobj, descriptor, events, data)
        self._touched[descriptor] = None
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        descriptor = _descriptor(fileobj)
        self._touched.pop(descriptor, None)
        return self._keys.pop(descriptor)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        descriptor = _descriptor(fileobj)
        key = self._keys[descriptor] = self._keys[descriptor]._replace(events=events, data=data)
        self._touched[descriptor] = None
        return key

    def select(self, timeout: float | None = None) -> Ready:
        ready: Ready = []
        for descriptor in list(self._touched):
            key = self._keys[descriptor]
            if events := self._sockets[descriptor].events(key.events):
                if self._stopped:
                    events &= ~self._waiting(key)
                if events:
                    ready.append((key, events))
            else:
                del self._touched[descriptor]
        if ready:
            self._arrived()
            if self._order is not None:
                ready = self._order.shuffle(ready)
        else:
            self._idle(timeout)
        return ready

    def _waiting(self, key: selectors.SelectorKey) -> int:
        """The events of a socket for which a stopped process waits."""
        ends = zip((selectors.EVENT_READ, selectors.EVENT_WRITE), key.data or (), strict=False)
        return sum(event for event, handle in ends if self._stopped.owns(handle))

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return _KeysByFile(self._keys)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[_descriptor(fileobj)]

    def close(self) -> None:
        self._keys.clear()
        self._touched.clear()

    def _touch(self, descriptor: int) -> None:
        if descriptor in self._keys:
            self._touched[descriptor] = None


class _KeysByFile(Mapping[Any, selectors.SelectorKey]):
    """The registered keys, by a file or its descriptor."""

    def __init__(self, keys: dict[int, selectors.SelectorKey]) -> None:
        self._keys = keys

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[_descriptor(fileobj)]

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _descriptor(fileobj: Any) -> int:
    return fileobj if isinstance(fileobj, int) else int(fileobj.fileno())

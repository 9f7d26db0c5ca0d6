"""The emulator managers that share the boards: each has a Lease of its own, which the others watch.

A member has died when its lease was not renewed for the time that the lease names, on the observer's own clock. It has
stopped its boards by then: :class:`LeaderLease` ends what runs under it after two thirds of that time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.core.clock import Clock
from harness.core.identifiers import Randomness
from harness.wasmbed.gateway.placement import Candidate, choose_home
from harness.wasmbed.resources.api import Object, ResourceApi
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import LEASE
from harness.wasmbed.resources.names import EMULATORS_LEASE_PREFIX

__all__ = ["Members", "lease_name"]


def lease_name(identity: str) -> str:
    """Return the name of the Lease of a member."""
    return f"{EMULATORS_LEASE_PREFIX}{identity}"


class Members:
    """All members, as one of them, ``identity``, sees them. It counts itself always."""

    def __init__(self, api: ResourceApi, identity: str, clock: Clock, randomness: Randomness) -> None:
        self._identity, self._clock = identity, clock
        self._informer = Informer(api, LEASE, clock, randomness)
        self._informer.add_handler(self._changed)
        self._seen: dict[str, float] = {}
        self._handlers: list[Callable[[], object]] = []

    async def start(self) -> None:
        """Return when every lease is known."""
        await self._informer.start()

    async def stop(self) -> None:
        """Stop the watch."""
        await self._informer.stop()

    def on_changed(self, handler: Callable[[], object]) -> None:
        """Call ``handler`` when a member comes, or gives its lease back."""
        self._handlers.append(handler)

    def patience(self, member: str) -> float:
        """Return the seconds until a member is taken for dead, if it does not renew its lease; 0 if it is now."""
        lease = self._informer.get(lease_name(member))
        spec: dict[str, Any] = (lease or {}).get("spec") or {}
        if spec.get("holderIdentity") != member:
            return 0.0
        seen = self._seen.get(lease_name(member), self._clock.now())
        return max(0.0, seen + float(spec.get("leaseDurationSeconds") or 0) - self._clock.now())

    def chosen(self, device: str) -> str:
        """Return the member that is to run the board of ``device``: every member comes to the same answer."""
        names = {name.removeprefix(EMULATORS_LEASE_PREFIX) for name in self._seen}
        alive = {self._identity, *(name for name in names if self.patience(name) > 0)}
        found = choose_home(device, None, [Candidate(name, "") for name in sorted(alive)])
        assert found is not None, "this member counts itself"
        return found.name

    def _changed(self, old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        if not name.startswith(EMULATORS_LEASE_PREFIX):
            return
        if new is None:
            self._seen.pop(name, None)
        else:
            self._seen[name] = self._clock.now()
        if _holder(old) != _holder(new):
            for handler in self._handlers:
                handler()


def _holder(lease: Object | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")

"""The port to what runs gateways: the REST API asks it for more of them, and to end one.

On Kubernetes it is the StatefulSet of ``deploy/``, whose pods have the names of their gateways.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from harness.wasmbed.api.problems import Problem
from harness.wasmbed.resources.api import Conflict, NotFound, ResourceApi
from harness.wasmbed.resources.kinds import STATEFUL_SET

__all__ = ["GatewayFleet", "StatefulSetFleet"]

GATEWAYS = "wasmbed-gateway"
"""The StatefulSet of ``deploy/``."""


class GatewayFleet(ABC):
    """Gateways that somebody else runs."""

    @abstractmethod
    async def add(self, count: int) -> list[str]:
        """Ask for ``count`` gateways more; returns their names. They register when they run.

        Raises :class:`Problem` 409 if nobody here runs gateways.
        """

    @abstractmethod
    async def remove(self, name: str) -> None:
        """Ask for the end of the gateway ``name``, if it is one of these. Raises :class:`Problem` 409 if it cannot end
        while others run."""


class StatefulSetFleet(GatewayFleet):
    """The pods of a StatefulSet: numbered from 0, and the last one goes first."""

    def __init__(self, api: ResourceApi, name: str = GATEWAYS) -> None:
        self._api, self._name = api, name

    async def add(self, count: int) -> list[str]:
        try:
            size = await self._resize(lambda size: size + count)
        except NotFound as error:
            raise Problem(
                409,
                f"there is no StatefulSet {self._name} here that could run more gateways: start one with "
                "wasmbed gateway --name NAME, and it registers itself",
            ) from error
        return [f"{self._name}-{number}" for number in range(size, size + count)]

    async def remove(self, name: str) -> None:
        _, _, number = name.rpartition("-")
        if name != f"{self._name}-{number}" or not number.isdecimal():
            return

        def without(size: int) -> int:
            if int(number) >= size:
                return size
            if int(number) != size - 1:
                raise Problem(
                    409,
                    f"{name} is not the last of the StatefulSet {self._name}: delete {self._name}-{size - 1} first, or "
                    f"POST /api/v1/gateways/{name}/toggle, so that it serves no device",
                )
            return size - 1

        try:
            await self._resize(without)
        except NotFound:
            return

    async def _resize(self, change: Callable[[int], int]) -> int:
        """Write a new number of replicas; returns the one before. Raises :class:`Problem` 409 if others did so at the
        same time."""
        found = await self._api.get(STATEFUL_SET, self._name)
        before = int(found["spec"].get("replicas", 1))
        after = change(before)
        if after != before:
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            try:
                await self._api.patch(STATEFUL_SET, self._name, {"metadata": version, "spec": {"replicas": after}})
            except Conflict as error:
                raise Problem(409, f"the StatefulSet {self._name} was changed meanwhile: try again") from error
        return before

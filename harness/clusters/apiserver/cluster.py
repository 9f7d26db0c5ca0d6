"""The cluster kind ``apiserver``: a namespace on the session's own kube-apiserver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.clusters.apiserver.program import missing, program
from harness.clusters.own import OwnCluster

__all__ = ["ApiserverCluster"]


class ApiserverCluster(OwnCluster):
    """A kube-apiserver with etcd, the garbage collector and the namespace controller, in one program."""

    kind: ClassVar[str] = "apiserver"
    can_restart: ClassVar[bool] = True
    options: ClassVar[frozenset[str]] = frozenset(("own_server",))

    @classmethod
    def unavailable(cls) -> str | None:
        return missing()

    def command(self) -> Sequence[str]:
        return [str(program())]

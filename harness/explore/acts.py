"""The user's steps as data, on the same footing as faults: what is done, to what, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Self

__all__ = ["OPERATIONS", "Act"]

OPERATIONS = (
    "deploy", "deploy-to-place", "stop", "start", "redeploy", "delete", "relabel", "replace", "power",
)  # fmt: skip
"""``deploy-to-place`` deploys to the devices with a label, ``redeploy`` changes an application's module, ``replace``
deletes a Device, whose board enrolls again, and ``power`` cuts a board's power, or switches it on again."""


@dataclass(frozen=True)
class Act:
    """One step: ``what`` is one of :data:`OPERATIONS`.

    It is due ``at`` seconds after the fault that begins as the ``after``-th; 0: after the boards were switched on.
    ``which`` counts boards or applications, and goes round. A deployment that counts past the boards is for all.
    """

    what: str
    at: float = 0.0
    after: int = 0
    which: int = 0
    module: str = "hello"

    def __repr__(self) -> str:
        given = [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in fields(self)
            if each.default is not MISSING and getattr(self, each.name) != each.default
        ]
        return f"Act({', '.join([repr(self.what), *given])})"

    def to_json(self) -> dict[str, Any]:
        """As values of JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """The reverse of :meth:`to_json`."""
        return cls(**given)

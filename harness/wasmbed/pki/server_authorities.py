"""The authorities that sign gateways: one for each algorithm, so that every device can verify a whole chain.

RFC 8446 makes P-256 mandatory, and most TLS libraries of devices verify nothing else; others verify Ed25519 only. A
gateway has an identity of each authority, and TLS chooses by the client's signature algorithms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.core.clock import Clock
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import Algorithm

__all__ = ["ServerAuthorities"]

_ALGORITHMS = (Algorithm.P256, Algorithm.ED25519)
"""The first is the one for software that reads a single certificate."""


class ServerAuthorities:
    """A root of each algorithm. Their names differ, because some clients find an issuer by its name only."""

    def __init__(self, common_name: str, clock: Clock, folder: Path | None = None) -> None:
        """Those that ``folder`` holds, if it is given; new ones are saved there."""
        self._authorities = {
            name: Authority.create(f"{common_name} {name}", clock, algorithm=name)
            if folder is None
            else Authority.kept_in(folder / name, f"{common_name} {name}", clock, algorithm=name)
            for name in _ALGORITHMS
        }

    def __iter__(self) -> Iterator[Authority]:
        return iter(self._authorities.values())

    @property
    def certificates(self) -> bytes:
        """The certificates that a device has to trust: DER, concatenated."""
        return b"".join(authority.certificate for authority in self)

    def issue(
        self, common_name: str, names: Iterable[str] = ("localhost", "127.0.0.1"), *, not_after: float | None = None
    ) -> tuple[Identity, ...]:
        """Return a gateway's identities, one of each authority; see :meth:`Authority.issue_server`."""
        names = tuple(names)
        return tuple(
            authority.issue_server(common_name, names, algorithm=algorithm, not_after=not_after)
            for algorithm, authority in self._authorities.items()
        )

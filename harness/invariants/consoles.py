"""Compares what a board says on its link with what it says on its console, the second witness of what it knows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.core.history import Event
from harness.invariants.invariant import Invariant, Party, Violation, on
from harness.invariants.ledger import Ledger

__all__ = ["CONSOLES"]

AT_ONCE = ("sim", "virtual", "native")
"""Tiers whose console lines come before what is sent after them; an emulator's serial line may be slower."""
_BANNER = re.compile(r"\] wasmbed (\S+) on (\S+) board ")
_FAILED = re.compile(r"\] app (\S+): (?:fault|refused:) (\w+: .*)")


class ConsolesAgree(Invariant):
    """A board says the same on its link as on its console: its version and type, and why an application was refused or
    broke."""

    name = "consoles agree"
    party = Party.BOARD
    source = "docs/boards (console); wasmbed.cddl (enrollment-request, deployment-result, runtime-error)"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._banners: dict[str, tuple[Event, dict[str, str]]] = {}
        self._failures: dict[tuple[str, str], tuple[Event, str]] = {}

    @on("console")
    def said(self, event: Event) -> Iterator[Violation]:
        device, text = str(event.data.get("board")), str(event.data.get("text"))
        if not self.ledger.board_kind.startswith(AT_ONCE):
            return
        if banner := _BANNER.search(text):
            self._banners[device] = event, {"firmwareVersion": banner[1], "mcuType": banner[2]}
        elif failed := _FAILED.search(text):
            self._failures[device, failed[1]] = event, failed[2]
        yield from ()

    @on("EnrollmentRequest")
    def asked(self, event: Event) -> Iterator[Violation]:
        link = self.ledger.link(event)
        said, banner = self._banners.get(link.device if link is not None else "", (event, {}))
        for field, shown in banner.items():
            told = event.data.get(field)
            if link is not None and told is not None and told != shown:
                message = f"{link.device} asked to enroll with {field} {told}; on its console it is {shown}"
                yield self.broken(event, message, cause=said, link=link)

    @on("Deploy")
    def begun(self, event: Event) -> Iterator[Violation]:
        self._failures.pop((str(event.data.get("device")), event.correlation), None)
        yield from ()

    @on("DeploymentResult")
    def refused(self, event: Event) -> Iterator[Violation]:
        if event.data.get("ok") is False:
            yield from self._compare(event, "error")

    @on("RuntimeFault")
    def broke(self, event: Event) -> Iterator[Violation]:
        yield from self._compare(event, "message")

    def _compare(self, event: Event, field: str) -> Iterator[Violation]:
        link = self.ledger.link(event)
        if link is None or (found := self._failures.pop((link.device, event.correlation), None)) is None:
            return
        said, shown = found
        told = f"{event.data.get('code')}: {event.data.get(field)}".partition("\n")[0]
        if not (told.startswith(shown) or shown.startswith(told)):  # a console may cut a long line
            message = f"{link.device} reports {told!r} of {event.correlation}; on its console it is {shown!r}"
            yield self.broken(event, message, cause=said, link=link)


CONSOLES = (ConsolesAgree,)

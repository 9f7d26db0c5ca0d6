"""``--live``: shows the phases of devices and applications while a test runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.core.history import Event, History, Kind
from harness.core.text import printable

if TYPE_CHECKING:
    from harness.stack import Stack

__all__ = ["Progress", "dashboard_of", "shown"]

COLOURS = {
    "Connected": "green",
    "Running": "green",
    "Failed": "red",
    "Error": "red",
    "Disconnected": "yellow",
    "Unreachable": "yellow",
    "PartiallyRunning": "yellow",
    "Unknown": "yellow",
}
OUTCOMES = {"passed": "green"} | dict.fromkeys(("skipped", "not run", "expected failure", "unexpected pass"), "yellow")
WIDTH = 40


class Progress:
    """Counts phases from the events of a history, and draws them."""

    def __init__(self, title: str, dashboard: str = "") -> None:
        """``dashboard``: the address of the test's own dashboard, if it has one; a fragment is in the link only."""
        self.title, self._dashboard = title, dashboard
        self.outcome = ""
        self._phases: dict[str, dict[str, str]] = {"Device": {}, "Application": {}}
        self._numbers: dict[str, dict[str, int]] = {}
        """The statistics in the status of each application."""
        self._start: float | None = None
        self._seconds = 0.0
        self._events = 0

    def add(self, event: Event) -> None:
        """Count one event."""
        self._start = event.at if self._start is None else self._start
        self._seconds, self._events = event.at - self._start, self._events + 1
        if event.kind is not Kind.STATE or event.name not in self._phases:
            return
        name, status = printable(str(event.data["name"])), event.data.get("status") or {}
        if event.data["change"] == "deleted":
            self._phases[event.name].pop(name, None)
        elif phase := status.get("phase"):
            self._phases[event.name][name] = printable(str(phase))
        if event.name == "Application":
            self._numbers.setdefault(name, {}).update(status.get("statistics") or {})

    def __rich__(self) -> Group:
        heading = Text(self.title, style="bold")
        heading.append(f"  {self.outcome}", style=OUTCOMES.get(self.outcome, "red"))
        heading.append(f"  {self._seconds:.1f} s, {self._events} events", style="dim")
        if self._dashboard and not self.outcome:
            shown = self._dashboard.partition("#")[0]
            heading.append("\n  dashboard  ", style="dim").append(shown, style=f"link {self._dashboard}")
        table = Table.grid(padding=(0, 1))
        devices = Counter(self._phases["Device"].values())
        if devices:
            table.add_row("  devices", _bar(devices), ", ".join(f"{n} {phase}" for phase, n in devices.most_common()))
        for name, phase in tuple(self._phases["Application"].items()):  # drawn by another thread while events arrive
            numbers = self._numbers.get(name, {})
            running, unknown = numbers.get("running", 0), numbers.get("unknown", 0)
            counted = Counter({phase: running, "": max(numbers.get("target", 0) - running - unknown, 0)})
            counted["Unknown"] += unknown
            apart = f", unknown on {unknown}" if unknown else ""
            table.add_row(f"  {name}", _bar(counted), f"{phase}, running on {running}{apart}")
        return Group(heading, table)


def _bar(counted: Counter[str]) -> Text:
    total, bar, drawn = sum(counted.values()), Text(), 0
    for position, (phase, number) in enumerate(sorted(counted.items(), key=lambda item: item[0] not in COLOURS), 1):
        width = WIDTH - drawn if position == len(counted) else round(WIDTH * number / max(total, 1))
        bar.append("━" * width, style=COLOURS.get(phase, "bright_black"))
        drawn += width
    return bar


@contextmanager
def shown(
    screen: TextIO, history: History, title: str, outcome: Callable[[], str], dashboard: str = ""
) -> Iterator[None]:
    """Draw the progress on ``screen`` until the block ends, and the outcome at the end; only at the end if ``screen``
    is not a terminal. The address of the ``dashboard`` is there as long as it is served."""
    progress = Progress(title, dashboard)
    for event in history:
        progress.add(event)
    unsubscribe = history.listen(progress.add)
    with Live(progress, console=Console(file=screen), redirect_stdout=False, redirect_stderr=False):
        try:
            yield
        finally:
            unsubscribe()
            progress.outcome = outcome()
    if not screen.isatty():
        screen.write("\n")
        screen.flush()


async def dashboard_of(stack: Stack) -> str:
    """Start the dashboard of a stack on an embedded cluster; returns its address with a token for an operator, empty
    for other stacks."""
    if stack.options.simulated or not stack.options.cluster.startswith("embedded"):
        return ""
    rest = await stack.rest_api()
    return f"{rest.url}/#token={await rest.token('operator')}"

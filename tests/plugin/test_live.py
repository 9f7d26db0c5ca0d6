"""The tables of ``--live``."""

from io import StringIO

from rich.console import Console

from harness.core.clock import ManualClock
from harness.core.history import History, Kind
from harness.pytest_plugin.live import Progress


def test_devices_out_of_reach_are_shown_separately() -> None:
    history, progress = History(ManualClock()), Progress("test")
    numbers = {"target": 4, "running": 3, "unknown": 0}
    for status in (
        {"phase": "Running", "statistics": numbers},
        {"phase": "PartiallyRunning", "statistics": {"running": 1, "unknown": 2}},
    ):
        change = {"change": "modified", "name": "blink", "status": status}
        progress.add(history.record(Kind.STATE, "Kubernetes", "", "Application", change, "blink"))
    console = Console(width=120, file=StringIO(), record=True)
    console.print(progress)
    assert "PartiallyRunning, running on 1, unknown on 2" in console.export_text()

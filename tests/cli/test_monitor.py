"""The screen of ``wasmbed monitor``."""

from io import StringIO
from typing import Any

from rich.console import Console

from harness.cli.monitor import picture


def device(name: str, phase: str, error: str | None = None) -> dict[str, Any]:
    status = {"phase": phase, "error": error, "lastHeartbeat": "2026-11-21T10:11:16.374789Z"}
    return {"metadata": {"name": name}, "spec": {"deviceType": "mcu"}, "status": status}


def drawn(devices: list[dict[str, Any]], height: int) -> str:
    error = "no sign of life"
    status = {"phase": "Offline", "error": error}
    gateway = {"metadata": {"name": "gateway-1"}, "spec": {"endpoint": "here:1"}, "status": status}
    numbers = {"target": 33, "running": 2, "failed": 14, "unknown": 17}
    application = {"metadata": {"name": "blink"}, "status": {"phase": "PartiallyRunning", "statistics": numbers}}
    console = Console(width=120, record=True, file=StringIO())
    console.print(picture([gateway], devices, [application], height))
    return console.export_text()


def test_the_screen_shows_gateways_devices_and_applications() -> None:
    text = drawn([device("pump-1", "Connected"), device("pump-2", "Disconnected", "[lost]")], 40)
    for words in ("gateway-1", "here:1", "1 Connected", "1 Disconnected", "pump-1", "[lost]", "Ctrl-C"):
        assert words in text
    assert "Offline  here:1    0        no sign of life" in text
    assert "blink        PartiallyRunning  2/33     14      17" in text
    assert "T10:11:16Z" in text


def test_a_large_fleet_fits_the_screen_with_problems_first() -> None:
    fleet = [device(f"pump-{number:03}", "Connected") for number in range(100)]
    text = drawn([*fleet, device("zebra", "Failed", "no flash")], 20)
    assert len(text.splitlines()) <= 20
    assert "100 Connected" in text
    assert text.index("zebra") < text.index("pump-000")
    assert "more" in text

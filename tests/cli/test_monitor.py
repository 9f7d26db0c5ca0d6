"""The screen of ``wasmbed monitor``."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.cli.monitor_picture import Chosen, ordered, picture
from tests.cli.command import HUNG, Start, read_until


def device(name: str, phase: str, error: str | None = None) -> dict[str, Any]:
    status = {"phase": phase, "error": error, "lastHeartbeat": "2026-11-21T10:11:16.374789Z"}
    return {"metadata": {"name": name}, "spec": {"deviceType": "mcu"}, "status": status}


def drawn(devices: list[dict[str, Any]], height: int, width: int = 120, **more: Any) -> str:
    error = "no sign of life"
    status = {"phase": "Offline", "error": error}
    gateway = {"metadata": {"name": "gateway-1"}, "spec": {"endpoint": "here:1"}, "status": status}
    numbers = {"target": 33, "running": 2, "failed": 14, "unknown": 17}
    application = {"metadata": {"name": "blink"}, "status": {"phase": "PartiallyRunning", "statistics": numbers}}
    console = Console(width=width, record=True, file=StringIO())
    console.print(picture([gateway], devices, [application], width, height, **more))
    return console.export_text()


def test_the_screen_shows_gateways_devices_and_applications() -> None:
    text = drawn([device("pump-1", "Connected"), device("pump-2", "Disconnected", "[lost]")], 40)
    for words in ("gateway-1", "here:1", "1 Connected", "1 Disconnected", "pump-1", "[lost]", "q quit", "10:11:16"):
        assert words in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert rows["gateway-1"] == ["gateway-1", "Offline", "0", "here:1", "no", "sign", "of", "life"]
    assert rows["blink"] == ["blink", "PartiallyRunning", "2/33", "14"]


@pytest.mark.parametrize(("width", "height"), [(60, 16), (80, 24), (120, 20), (200, 50), (60, 50), (200, 16)])
def test_a_large_fleet_fits_any_screen_with_the_worst_first_in_natural_order(width: int, height: int) -> None:
    fleet = [device(f"pump-{number}", "Connected") for number in range(1, 101)]
    fleet += [device("zebra", "Failed", "no flash " * 40), device("yak", "Disconnected", "lost")]
    for chosen in (Chosen(), Chosen("pump-50", "", notice="pump-50: off, cut"), Chosen("pump-100")):
        text = drawn(fleet, height, width, chosen=chosen, age="last change 3 s ago", lost="connection lost " * 20)
        lines = text.splitlines()
        assert len(lines) <= height
        assert all(len(line) <= width for line in lines)
        assert "100 Connected" in text
        assert "more" in text
        assert chosen.device in text
    text = drawn(fleet, height, width)
    order = [text.find(name) for name in ("zebra", "yak", "pump-1 ", "pump-2 ", "pump-3 ")]
    assert order == sorted(order)
    assert -1 not in order


def test_a_filter_and_a_console() -> None:
    fleet = [device("pump-1", "Connected"), device("valve-1", "Failed", "Flash")]
    assert [each["metadata"]["name"] for each in ordered(fleet, "FLASH")] == ["valve-1"]
    text = drawn(fleet, 20, chosen=Chosen(filter="pump", types=True))
    assert "filter: pump_" in text
    assert "valve-1" not in text
    chosen = Chosen(console="pump-1")
    chosen.lines.extend(f"line {number}" for number in range(100))
    text = drawn(fleet, 20, chosen=chosen)
    assert "console of pump-1" in text
    assert "line 99" in text
    assert len(text.splitlines()) <= 20


def test_keys_act_on_the_device_under_the_cursor(start: Start, tmp_path: Path) -> None:
    """On a real terminal, beside a platform that runs: filter, power, console, and a quiet end."""
    kubeconfig = f"--kubeconfig={tmp_path / 'kubeconfig'}"
    up = start("up", "--boards=virtual=3", "--port=0", "--http-port=0", kubeconfig)
    up.until("press Ctrl-C")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-m", "harness.cli", "monitor", kubeconfig]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process, open(ours, "r+b", 0) as keys:
        try:
            read_until(ours, "3 Connected")
            keys.write(b"j")
            keys.write(b"x")
            read_until(ours, "virtual-2: off, cut")
            keys.write(b"/virtual-3\r")
            read_until(ours, "filter: virtual-3")
            keys.write(b"l")
            read_until(ours, "console of virtual-3", "enrollment: enrolled")
            keys.write(b"qq")
            assert process.wait(HUNG) == 0
        finally:
            process.kill()
        assert termios.tcgetattr(theirs) == before
    os.close(theirs)

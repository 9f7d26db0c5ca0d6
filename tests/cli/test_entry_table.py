"""The table of one application on its devices."""

from io import StringIO
from typing import Any

from rich.console import Console

from harness.cli.resources import entry_table


def shown(**entries: dict[str, Any]) -> str:
    written = StringIO()
    console = Console(file=written, width=300, highlight=False)
    console.print(entry_table({"metadata": {"name": "a"}, "status": {"deviceStatuses": entries}}))
    return written.getvalue()


def test_the_last_output_and_the_reason_of_each_device_are_shown() -> None:
    output = [{"topic": "t", "payload": "old"}, {"topic": "t", "payload": "new"}]
    lines = shown(
        b={"state": "error", "code": "TRAP", "error": "unreachable\n    run", "output": output},
        a={"deployment": {"error": "no gateway answers"}},
    ).splitlines()
    assert [line.split() for line in lines] == [
        ["device", "state", "last", "output", "error"],
        ["a", "no", "gateway", "answers"],
        ["b", "error", "t:", "new", "TRAP:", "unreachable"],
        ["run"],
    ]


def test_a_device_out_of_reach_says_since_when_and_why() -> None:
    why = "out of reach since 2026-11-29T18:00:00Z: the device is not connected"
    (_, line) = shown(a={"state": "unknown", "error": why}).splitlines()
    assert line.split(maxsplit=2) == ["a", "unknown", why]


def test_device_output_is_escaped_for_the_terminal() -> None:
    output = shown(a={"state": "running", "output": [{"topic": "[red]t", "payload": "\x1b[2J\r\u00e9\u202e"}]})
    assert "[red]t: \\x1b[2J\\r\u00e9" in output
    assert not set("\x1b\r\u202e") & set(output)


def test_a_long_output_is_cut() -> None:
    assert "x" * 117 + "\u2026" in shown(a={"state": "running", "output": [{"topic": "t", "payload": "x" * 500}]})
    assert "\u2026" not in shown(a={"state": "running", "output": [{"topic": "t", "payload": "x" * 117}]})

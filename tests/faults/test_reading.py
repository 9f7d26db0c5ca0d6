"""Schedules as files: what they say, and what is wrong with them, with line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from harness.core.errors import UsageError
from harness.faults import ArrowMoment, Entry, Schedule, Side, TimeMoment, make_fault
from harness.faults.reading import parse_schedule, read_schedule
from harness.faults.strategies import schedules

GOOD = """\
version = 1

[[faults]]
after = "device-enrollment: Device->>Gateway: EnrollmentAcknowledgment"
nth = 2
about = "pump"
fault = "gateway.crash"
lasts = 2.5

[[faults]]
at = 12.5
where = "pump"
fault = "link.half-open"
believing = "device"
"""


def test_a_file_is_a_schedule(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(GOOD)
    first, second = read_schedule(path).entries
    assert first == Entry(
        ArrowMoment(Side.AFTER, "device-enrollment", 10, 2, "pump"), make_fault("gateway.crash", {"lasts": 2.5})
    )
    assert second == Entry(TimeMoment(12.5), make_fault("link.half-open", {"believing": "device"}), "pump")
    assert (first.line, second.line) == (f"{path}:3", f"{path}:10")
    assert read_schedule(path).needs_relay


def wrong(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        parse_schedule(text, "f.toml")
    return caught.value


HEAD = "version = 1\n[[faults]]\n"


@pytest.mark.parametrize(
    ("text", "where", "what", "do"),
    [
        ("version = 2\n", "f.toml:1", "version is 2", "version = 1"),
        ("\n", "f.toml", "has no version", "version = 1"),
        ("version = 1\nfault = []\n", "f.toml:2", "unknown key 'fault'", "did you mean 'faults'?"),
        ("version = 1\nfaults = 3\n", "f.toml:2", "faults is not a list of tables", "[[faults]]"),
        ("version = 1\n[[faults]\n", "f.toml:2", "invalid TOML", "correct it"),
        (HEAD + "at = 1\n", "f.toml:2", "has no fault", "text in quotation marks"),
        (HEAD + "at = 1\nfault = 'board.powercut'\n", "f.toml:4", "unknown fault", "did you mean 'board.power-cut'?"),
        (HEAD + "fault = 'gateway.crash'\n", "f.toml:2", "does not say when", "one of at, before, during, after"),
        (HEAD + "at = 1\nafter = 'x: 1'\nfault = 'gateway.crash'\n", "f.toml:4", "has at and after", "one of"),
        (HEAD + "at = -1\nfault = 'gateway.crash'\n", "f.toml:3", "at is -1", "seconds"),
        (HEAD + "at = 1\nnth = 2\nfault = 'gateway.crash'\n", "f.toml:4", "nth is for an arrow", "leave it out"),
        (HEAD + "at = 1\nlast = 2\nfault = 'gateway.crash'\n", "f.toml:4", "no parameter 'last'", "'lasts'"),
        (HEAD + "at = 1\nfault = 'gateway.crash'\nlasts = 0\n", "f.toml:5", "lasts is 0", "in seconds"),
        (HEAD + "at = 1\nfault = 'cluster.refusals'\ncode = 404\n", "f.toml:5", "code is 404", "503, 409, 429, 500"),
        (HEAD + "at = 1\nfault = 'board.reset'\n", "f.toml:2", "strikes no board", "name the board"),
        (HEAD + "at = 1\nfault = 'board.clock-drift'\nrate = 0\n", "f.toml:5", "rate is 0", "as a factor"),
        (HEAD + "at = 1\nfault = 'board.torn-write'\n", "f.toml:2", "strikes no board", "name the board"),
        (HEAD + "at = 1\nfault = 'gateway.slow'\nby = -1\n", "f.toml:5", "by is -1", "in seconds"),
        (HEAD + "at = 1\nfault = 'cluster.clock-skew'\nby = 1e6\n", "f.toml:5", "at most 86400", "in seconds"),
        (HEAD + "at = 1\nfault = 'link.jitter'\nby = 'long'\n", "f.toml:5", "it is not a number", "in seconds"),
        (
            HEAD + "after = 'device-enrolment: 1'\nfault = 'gateway.crash'\n",
            "f.toml:3",
            "no sequence",
            "device-enrollment",
        ),
        (HEAD + "after = 'device-enrollment'\nfault = 'gateway.crash'\n", "f.toml:3", "is not an arrow", "SEQUENCE: "),
        (HEAD + "after = 'device-enrollment: 99'\nfault = 'gateway.crash'\n", "f.toml:3", "no arrow 99", "it has 23"),
        (HEAD + "after = 'device-enrollment: A->>B: C'\nfault = 'gateway.crash'\n", "f.toml:3", "no arrow", "lists"),
        (HEAD + "before = 'device-enrollment: 1'\nfault = 'gateway.crash'\n", "f.toml:3", "nothing can come", "after"),
        (HEAD + "during = 'device-enrollment: 3'\nfault = 'gateway.crash'\n", "f.toml:3", "nothing can come", "before"),
        (
            HEAD + "after = 'px4-communication: 1'\nfault = 'gateway.crash'\n",
            "f.toml:3",
            "cannot happen yet",
            "another",
        ),
        (HEAD + "after = 'device-enrollment: 1'\nnth = 0\nfault = 'gateway.crash'\n", "f.toml:4", "nth is 0", "from 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, where: str, what: str, do: str) -> None:
    error = wrong(text)
    assert error.where == where
    assert what in error.what
    assert do in str(error.do)


@given(schedules(["sim-1"], sequences=["device-enrollment", "application-stop"]))
def test_what_is_written_is_read_again(schedule: Schedule) -> None:
    assert parse_schedule(schedule.to_toml(), "f.toml").entries == schedule.entries

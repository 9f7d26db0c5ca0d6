"""A full disk ends a history's file, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.clock import ManualClock
from harness.core.errors import RigError
from harness.core.history import History, Kind, read_history

FULL = """
import resource, sys
from pathlib import Path
from harness.core.clock import ManualClock
from harness.core.history import History, Kind
heard = []
history = History(ManualClock(), Path(sys.argv[1]))
history.listen(heard.append)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
for number in range(100):
    history.record(Kind.MESSAGE, "Device", "Gateway", "Heartbeat", {"number": number}, "board-1")
history.close()
print(len(history), len(heard), history.lost)
"""


def test_a_full_disk_does_not_affect_the_system_under_test(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE_")}  # it would fill up too
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], env=kept, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("100 100 File too large\n", "")
    events, trouble = read_history(path)
    assert 5 < len(events) < 20
    assert trouble == [f"line {len(events) + 1} was cut off; everything before it was read"]


def test_a_file_that_cannot_be_opened_is_the_rigs_fault(tmp_path: Path) -> None:
    with pytest.raises(RigError, match="cannot be written: Is a directory"):
        History(ManualClock(), tmp_path)
    history = History(ManualClock())
    with pytest.raises(RigError, match="No such file"):
        history.go_on_in(tmp_path / "none" / "history.jsonl")


def test_another_file_starts_with_a_copy_of_the_history(tmp_path: Path) -> None:
    history = History(ManualClock(), tmp_path / "first.jsonl")
    history.record(Kind.NOTE, "Harness", "", "one")
    history.go_on_in(tmp_path / "second.jsonl")
    history.record(Kind.NOTE, "Harness", "", "two")
    history.close()
    names = [[event.name for event in read_history(tmp_path / f"{name}.jsonl")[0]] for name in ("first", "second")]
    assert names == [["one"], ["one", "two"]]

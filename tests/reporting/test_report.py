"""The report is made from a run's folder alone, whatever state the run left it in."""

import base64
import gzip
import json
import re
from pathlib import Path

import pytest

from harness.core.clock import ManualClock
from harness.core.errors import UsageError
from harness.core.history import History, Kind
from harness.reporting import write_run_report
from harness.reporting.runs import read_run


def leave(folder: Path, *, outcome: str = "passed", blame: str | None = None, message: str = "") -> Path:
    folder.mkdir(parents=True)
    history = History(ManualClock(), folder / "history.jsonl")
    history.record(Kind.MESSAGE, "Device", "Gateway", "Heartbeat", {"note": "</script><b>"}, "board-1")
    history.close()
    result = {"test": f"scenarios/{folder.name}.py::test", "outcome": outcome, "blame": blame, "message": message}
    (folder / "result.json").write_text(json.dumps(result | {"duration": 0.5, "rerun": "pytest x", "seed": 7}))
    return folder


def data_of(page: Path) -> dict:
    text = page.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_holds_every_test_and_event(tmp_path: Path) -> None:
    leave(tmp_path / "run" / "good")
    leave(tmp_path / "run" / "bad", outcome="failed", blame="product", message="expected Connected")
    page = data_of(write_run_report(tmp_path / "run"))
    assert page["run"] == "run"
    bad, good = page["tests"]
    assert (bad["outcome"], bad["blame"], bad["message"]) == ("failed", "product", "expected Connected")
    assert (good["outcome"], good["rerun"], good["details"]) == ("passed", "pytest x", {"seed": 7})
    events = json.loads(gzip.decompress(base64.b64decode(good["events"])))
    assert events[0][1:] == ["message", "Device", "Gateway", "Heartbeat", "board-1", {"note": "</script><b>"}]


def test_the_page_stands_alone(tmp_path: Path) -> None:
    leave(tmp_path / "run" / "good")
    text = write_run_report(tmp_path / "run").read_text("utf-8")
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert "/*STYLE*/" not in text
    assert "/*DATA*/" not in text


def test_a_run_that_was_cut_short_shows_what_there_is(tmp_path: Path) -> None:
    test = leave(tmp_path / "run" / "killed")
    (test / "result.json").unlink()
    history = test / "history.jsonl"
    history.write_bytes(history.read_bytes() + b'{"at": 1, "n"')
    (record,) = read_run(tmp_path / "run")
    assert record.outcome == "not run"
    assert len(record.events) == 1
    assert record.trouble == [
        "the test left no result: the run was cut short",
        "line 2 was cut off; everything before it was read",
    ]
    assert data_of(write_run_report(tmp_path / "run"))["tests"][0]["trouble"] == record.trouble


def test_garbage_in_a_tests_folder_is_told_and_does_not_hide_the_others(tmp_path: Path) -> None:
    broken = leave(tmp_path / "run" / "broken")
    (broken / "result.json").write_text("{")
    (broken / "history.jsonl").write_text("nonsense\n")
    leave(tmp_path / "run" / "good")
    broken_record, good = read_run(tmp_path / "run")
    assert [text.split(" (")[0] for text in broken_record.trouble] == [
        "result.json is not readable",
        "line 1 is not an event",
    ]
    assert good.outcome == "passed"


def test_pictures_of_verdicts_are_carried(tmp_path: Path) -> None:
    test = leave(tmp_path / "run" / "drawn")
    (test / "device-enrollment.svg").write_text("<svg/>")
    assert read_run(tmp_path / "run")[0].pictures == {"device-enrollment": "<svg/>"}


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no test"):
        write_run_report(tmp_path)


def test_a_report_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    leave(tmp_path / "run" / "good")
    (tmp_path / "run" / "index.html").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_run_report(tmp_path / "run")

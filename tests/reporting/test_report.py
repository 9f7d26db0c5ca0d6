"""The report comes from a run's folder alone, in whatever state the run left it."""

import base64
import gzip
import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import UsageError
from harness.reporting import report, write_run_report
from harness.reporting.packing import pack_events
from harness.reporting.runs import read_run

ROOT = Path(__file__).parents[2]


Leave = Callable[..., Path]


def embedded(page: Path, name: str) -> dict[str, Any]:
    """The JSON in the page under that id."""
    text = page.read_text("utf-8")
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def data_of(events: dict[str, Any]) -> list[dict[str, Any]]:
    lines = b"\n".join(gzip.decompress(base64.b64decode(chunk)) for chunk in events["chunks"])
    return [json.loads(line) for line in lines.split(b"\n")]


def test_the_page_contains_every_test_and_event(leave: Leave, tmp_path: Path) -> None:
    leave(tmp_path / "run" / "good", title="It goes well.")
    leave(tmp_path / "run" / "bad", outcome="failed", blame="product", message="expected Connected")
    page = write_run_report(tmp_path / "run")
    run = embedded(page, "run")
    assert (run["run"], run["format"], run["problems"], run["trend"]) == ("run", 1, [], [])
    bad, good = run["tests"]
    assert (bad["outcome"], bad["blame"], bad["message"]) == ("failed", "product", "expected Connected")
    assert (good["outcome"], good["title"], good["details"]) == ("passed", "It goes well.", {"seed": 7})
    assert good["rerun"] == "pytest scenarios/good.py::test_it --seed=7"
    assert data_of(embedded(page, "events-1")) == [{"note": "</script><b>"}]


def test_the_page_loads_nothing(leave: Leave, tmp_path: Path) -> None:
    leave(tmp_path / "run" / "good")
    text = write_run_report(tmp_path / "run").read_text("utf-8")
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert not re.search(r"<!--[A-Z]+-->", text)


def test_the_page_is_what_its_sources_make() -> None:
    """The build writes a digest of the sources into the page; ``make page`` builds it again."""
    sources = ROOT / "harness" / "reporting" / "frontend"
    names = [path.relative_to(sources).as_posix() for path in (sources / "src").rglob("*.*")]
    names += ["page.html", "package-lock.json", "tsconfig.json", "vite.config.ts"]
    digest = sha256()
    for name in sorted(names):
        digest.update(name.encode() + b"\0" + (sources / name).read_bytes() + b"\0")
    page = (ROOT / "harness" / "reporting" / "page" / "page.html").read_text("utf-8")
    assert f'<meta name="built-from" content="{digest.hexdigest()}">' in page, "make page, and commit what it built"


def test_an_interrupted_run_is_shown(leave: Leave, tmp_path: Path) -> None:
    test = leave(tmp_path / "run" / "killed")
    (test / "result.json").unlink()
    history = test / "history.jsonl"
    history.write_bytes(history.read_bytes() + b'{"at": 1, "n"')
    (record,) = read_run(tmp_path / "run")
    assert record.outcome == "not run"
    assert len(record.events) == 1
    assert record.trouble == [
        "the test has no result: the run was interrupted",
        "line 2 was cut off; everything before it was read",
    ]
    assert embedded(write_run_report(tmp_path / "run"), "run")["tests"][0]["trouble"] == record.trouble


def test_garbage_in_a_tests_folder_is_reported_and_hides_no_other_test(leave: Leave, tmp_path: Path) -> None:
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


def test_the_page_contains_pictures_of_verdicts(leave: Leave, tmp_path: Path) -> None:
    test = leave(tmp_path / "run" / "drawn")
    (test / "device-enrollment.svg").write_text("<svg/>")
    assert read_run(tmp_path / "run")[0].pictures == {"device-enrollment": "<svg/>"}
    page = write_run_report(tmp_path / "run")
    assert embedded(page, "run")["tests"][0]["pictures"] == ["device-enrollment"]
    assert embedded(page, "events-0")["pictures"] == {"device-enrollment": "<svg/>"}


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no test of a run"):
        write_run_report(tmp_path)


def test_a_report_that_cannot_be_written_is_an_error(leave: Leave, tmp_path: Path) -> None:
    leave(tmp_path / "run" / "good")
    (tmp_path / "run" / "index.html").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_run_report(tmp_path / "run")
    assert not (tmp_path / "run" / ".index.html").exists()


def test_a_result_that_is_not_an_object_is_reported(leave: Leave, tmp_path: Path) -> None:
    result = leave(tmp_path / "run" / "odd") / "result.json"
    result.write_text("[]")
    assert read_run(tmp_path / "run")[0].trouble == ["result.json is not readable (it is not an object)"]
    result.write_text('{"options": null, "links": "x", "duration": "long"}')
    assert read_run(tmp_path / "run")[0].trouble == ["result.json is not readable (links is not a list)"]
    result.write_text('{"options": null, "duration": "long"}')
    assert (read_run(tmp_path / "run")[0].trouble, read_run(tmp_path / "run")[0].duration) == ([], 0.0)


ODD = {
    "series": {"metrics": 7, "device": {"a": 1}},
    "brief": {"status": [1], "code": {"x": 2}},
    "big": {"value": 2**64},
    "surrogate": {"value": "\udcff"},
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_event_does_not_break_the_page(leave: Leave, tmp_path: Path, odd: str) -> None:
    history = leave(tmp_path / "run" / "odd") / "history.jsonl"
    event = {"at": 1, "n": 1, "kind": "message", "source": "Device", "target": "Gateway", "name": "Heartbeat"}
    history.write_text(history.read_text() + json.dumps(event | {"data": ODD[odd]}) + "\n")
    (test,) = embedded(write_run_report(tmp_path / "run"), "run")["tests"]
    assert (test["events"], test["trouble"]) == (2, [])


def test_a_record_that_cannot_be_shown_does_not_affect_others(
    leave: Leave, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path / "run" / "broken")
    leave(tmp_path / "run" / "good")

    def pack(events: list[Any]) -> dict[str, Any]:
        if events and events[0].n == 0 and not packed.append(1) and len(packed) == 1:
            raise RuntimeError("no way to draw it")
        return pack_events(events)

    packed: list[int] = []
    monkeypatch.setattr(report, "pack_events", pack)
    broken, good = embedded(write_run_report(tmp_path / "run"), "run")["tests"]
    assert broken["trouble"] == ["the events cannot be shown: RuntimeError: no way to draw it"]
    assert (good["events"], good["trouble"]) == (1, [])


@pytest.mark.parametrize(
    ("history", "message"),
    [("[" * 100_000, "line 1 is not an event"), ('{"at": 1' + "0" * 400 + "}", "line 1"), ("\x00\n", "line 1")],
)
def test_a_hostile_history_affects_only_its_own_test(leave: Leave, tmp_path: Path, history: str, message: str) -> None:
    (leave(tmp_path / "run" / "bad") / "history.jsonl").write_text(history + "\n")
    leave(tmp_path / "run" / "good")
    bad, good = embedded(write_run_report(tmp_path / "run"), "run")["tests"]
    assert message in bad["trouble"][0] or "history.jsonl is not readable" in bad["trouble"][0]
    assert (bad["outcome"], good["trouble"]) == ("passed", [])


def test_one_command_for_tests_that_did_not_pass(leave: Leave, tmp_path: Path) -> None:
    leave(tmp_path / "run" / "one", outcome="failed", rerun="pytest 'it.py::test[a b]' --seed=7")
    page = tmp_path / "run"
    assert embedded(write_run_report(page), "run")["again"] is None
    leave(page / "two", outcome="not run", rerun="pytest it.py::test_b --seed=7")
    assert embedded(write_run_report(page), "run")["again"] == "pytest 'it.py::test[a b]' it.py::test_b --seed=7"
    leave(page / "three", outcome="failed", rerun="pytest it.py::test_c --seed=8")
    assert embedded(write_run_report(page), "run")["again"] is None


def test_a_test_without_a_stack_has_only_an_outcome(leave: Leave, tmp_path: Path) -> None:
    run = leave(tmp_path / "run" / "good").parent
    (run / "verdicts.jsonl").write_text('{"test": "t.py::test_plain", "outcome": "expected failure"}\n')
    page = write_run_report(run)
    tests = embedded(page, "run")["tests"]
    assert [(test["name"], test["outcome"], test["recorded"]) for test in tests] == [
        ("scenarios/good.py::test_it", "passed", True),
        ("t.py::test_plain", "expected failure", False),
    ]
    assert 'id="events-0"' in page.read_text("utf-8")
    assert 'id="events-1"' not in page.read_text("utf-8")

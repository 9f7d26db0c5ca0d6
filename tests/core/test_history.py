"""A history is append-only, ordered, bounded in memory, and readable after a crash."""

from pathlib import Path

import pytest

from harness.core.clock import ManualClock
from harness.core.errors import RigError, UsageError
from harness.core.history import Event, History, Kind, read_history


def test_events_are_numbered_and_timed_in_order(tmp_path: Path) -> None:
    clock = ManualClock(start=5)
    history = History(clock, tmp_path / "history.jsonl")
    history.record(Kind.MESSAGE, "Device", "Gateway", "Heartbeat", {"deviceTime": 1}, "board-1")
    history.note("step", "board-1", text="power on")
    assert [(event.n, event.at, event.kind) for event in history] == [(0, 5, "message"), (1, 5, "note")]
    assert history[1].data == {"text": "power on"}
    assert len(history) == 2
    history.close()


def test_the_file_holds_the_same_events_as_the_memory(tmp_path: Path) -> None:
    history = History(ManualClock(), tmp_path / "history.jsonl")
    history.record(Kind.CONSOLE, "Device", "", "line", {"text": "ol\u00e9\n", "raw": b"\x01\xff"}, "board-1")
    history.close()
    events, trouble = read_history(tmp_path / "history.jsonl")
    assert trouble == []
    assert events == [
        Event(history[0].at, 0, Kind.CONSOLE, "Device", "", "line", {"text": "ol\u00e9\n", "raw": "01ff"}, "board-1")
    ]


def test_a_later_change_of_the_callers_data_does_not_change_the_event() -> None:
    history = History(ManualClock())
    data = {"a": 1}
    history.record(Kind.NOTE, "", "", "x", data)
    data["a"] = 2
    assert history[0].data == {"a": 1}


def test_listeners_get_every_event_until_they_unsubscribe() -> None:
    history = History(ManualClock())
    heard: list[str] = []
    unsubscribe = history.listen(lambda event: heard.append(event.name))
    history.note("one")
    unsubscribe()
    history.note("two")
    assert heard == ["one"]


def test_the_newest_events_stay_in_memory_and_all_in_the_file(tmp_path: Path) -> None:
    history = History(ManualClock(), tmp_path / "history.jsonl", keep=3)
    heard: list[int] = []
    history.listen(lambda event: heard.append(event.n))
    for number in range(3):
        history.note(f"step {number}")
    history.check_whole()
    for number in range(3, 10):
        history.note(f"step {number}")
    assert [event.n for event in history] == [7, 8, 9]
    assert (len(history), history.recorded, history[0].name, history[-1].name) == (3, 10, "step 7", "step 9")
    assert [event.n for event in history.since(9)] == [9]
    assert heard == list(range(10))
    with pytest.raises(RigError, match=r"10 events happened and 3 are kept; all are in .*history.jsonl") as refused:
        history.check_whole()
    assert "judge the file with wasmbed check" in str(refused.value.do)
    with pytest.raises(RigError, match="10 events happened"):
        history.go_on_in(tmp_path / "second.jsonl")
    history.note("the first file goes on")
    history.close()
    assert len(read_history(tmp_path / "history.jsonl")[0]) == 11


def test_a_line_that_a_crash_cut_off_is_reported_and_the_rest_read(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    history = History(ManualClock(), path)
    history.note("whole")
    history.note("cut")
    history.close()
    path.write_bytes(path.read_bytes()[:-20])
    events, trouble = read_history(path)
    assert [event.name for event in events] == ["whole"]
    assert trouble == ["line 2 was cut off; everything before it was read"]


EVENT = '"at":1,"n":0,"kind":"note","source":"","target":"","name":"x"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "invalid JSON: Expecting value at column 1"),
        ("[1]", "not a JSON object"),
        ('"at"', "not a JSON object"),
        ("\xff", "can't decode"),
        ('{"at":1}', "it has no 'n'"),
        (f"{{{EVENT}}}".replace('"target":"",', ""), "it has no 'target'"),
        (f"{{{EVENT}}}".replace('"at":1', '"at":"x"'), "its 'at' is 'x'"),
        (f"{{{EVENT}}}".replace('"n":0', '"n":1e999'), "its 'n' is inf"),
        (f"{{{EVENT}}}".replace("note", "odd"), "its 'kind' is 'odd'"),
        (f'{{{EVENT},"data":[1]}}', "its 'data' is [1]"),
        (f'{{{EVENT},"correlation":["a","b"]}}', "its 'correlation' is ['a', 'b']"),
        (f'{{{EVENT},"correlation":"a","correlation":"b"}}', "it has 'correlation' twice"),
    ],
)
def test_a_line_that_is_not_an_event_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(f"{{{EVENT}}}\n{text}\n".encode("latin-1"))
    with pytest.raises(UsageError) as refused:
        read_history(path)
    assert f"{path}: line 2 is not an event (" in str(refused.value)
    assert message in refused.value.what
    assert "correct the line" in str(refused.value.do)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_history(tmp_path / "nothing.jsonl")


def test_text_that_is_not_unicode_is_kept(tmp_path: Path) -> None:
    history = History(ManualClock(), tmp_path / "history.jsonl")
    history.note("read", file="caf\udce9")
    history.close()
    ((event,), troubles) = read_history(tmp_path / "history.jsonl")
    assert event.data == {"file": "caf\udce9"}
    assert troubles == []

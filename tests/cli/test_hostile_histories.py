"""``wasmbed check`` and other readers of histories, on invalid and damaged files."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from harness.cli.main import run
from harness.core.history_lines import DEEPEST, LONGEST
from harness.core.loop import new_runner
from harness.stack import Stack
from tests.examples import examples

EVENT = {"at": 1, "n": 0, "kind": "note", "source": "", "target": "", "name": "x", "data": {}}
STATE = EVENT | {"kind": "state", "source": "Kubernetes", "name": "Device"}
JUDGES = ["--sequence=device-enrollment", "--sequence=application-deployment", "--sequence=runtime-error"]


def output_of(*arguments: str) -> tuple[int, str]:
    """The exit code of a command and its output."""
    output = StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        code = run([*arguments])
    return code, output.getvalue()


def check(content: bytes, *options: str) -> tuple[int, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.jsonl")
        path.write_bytes(content)
        code, output = output_of("check", str(path), *options)
        return code, output.replace(str(path), "FILE")


def line(**changes: Any) -> bytes:
    return json.dumps(EVENT | changes).encode() + b"\n"


def change(**data: Any) -> bytes:
    return json.dumps(STATE | {"data": {"change": "added", "name": "a"} | data}).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[" * 100_000 + b"\n", f"its value is nested more than {DEEPEST} deep"),
        (line(data=0).replace(b"0}", b"[" * 600 + b"]" * 600 + b"}"), f"its 'data' is nested more than {DEEPEST} deep"),
        (line(n=0).replace(b'"n": 0', b'"n": ' + b"9" * 5000), "its 'n' is a number of 5000 digits"),
        (line(at=0).replace(b'"at": 0', b'"at": ' + b"9" * 400), "its 'at' is 9999"),
        (line(at=0).replace(b'"at": 0', b'"at": NaN'), "its 'at' is nan"),
        (line(at=True), "its 'at' is True"),
        (line(n=1.5), "its 'n' is 1.5"),
        (line(kind=["note"]), "its 'kind' is ['note']"),
        (line(source=5), "its 'source' is 5"),
        (line(target=None), "its 'target' is None"),
        (line(name={"a": 1}), "its 'name' is {'a': 1}"),
        (line(data=[1]), "its 'data' is [1]"),
        (line(correlation=["a"]), "its 'correlation' is ['a']"),
        (b"{}\n", "it has no 'at'"),
        (b"\x00\n", "invalid JSON: Expecting value at column 1"),
        (b'{"at": "\x00"}\n', "invalid JSON: Invalid control character at column 9"),
        (b'{"at": "\xff"}\n', "can't decode byte 0xff in position 8"),
        (line(name="x").decode().encode("utf-16"), "can't decode byte 0xff"),
        (change(change="odd"), "its 'data.change' is 'odd'"),
        (change(change=["added"]), "its 'data.change' is ['added']"),
        (json.dumps(STATE).encode() + b"\n", "its 'data.change' is None"),
        (change(name=["a"]), "its 'data.name' is ['a']"),
        (change(status=[1]), "its 'data.status' is [1]"),
        (change(status={"phase": {}}), "its 'data.status.phase' is {}"),
        (change(status={"deviceId": 5}), "its 'data.status.deviceId' is 5"),
        (change(status={"deviceStatuses": [1]}), "its 'data.status.deviceStatuses' is [1]"),
        (change(status={"deviceStatuses": {"a": 1}}), "its 'data.status.deviceStatuses' is {'a': 1}"),
    ],
)
def test_an_invalid_event_is_named_with_line_and_key(content: bytes, words: str) -> None:
    code, output = check(line() + b"\n" + content + line())
    assert code == 2, output
    assert output.startswith("error: FILE: line 3 is not an event ("), output
    assert words in output


def test_a_line_that_is_too_long_is_not_read_completely(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with path.open("wb") as file:
        file.write(line())
        file.truncate(100 << 20)  # of zeros
    code, output = output_of("check", str(path))
    assert (code, output.partition("\n")[0]) == (2, f"error: {path}: line 2 is longer than {LONGEST >> 20} MiB")


@pytest.mark.parametrize("name", ["/dev/null", "folder", "missing"])
def test_a_path_that_is_not_a_file_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    for command in (["check"], ["sequences", "record"]):
        code, output = output_of(*command, name)
        assert code == 2 or (command == ["check"] and name == "/dev/null"), output
        assert "a bug" not in output


def test_events_out_of_order_are_reported_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(line(n=5) + line(n=3))
    code, output = output_of("check", str(path), "--sequence=device-enrollment")
    assert code == 2
    assert f"error: {path}: history: event 3 at 1.000 s comes after event 5" in output


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A real history of a device and an application."""
    folder = tmp_path_factory.mktemp("recorded")

    async def play() -> None:
        async with Stack(folder=folder) as stack:
            await stack.device(await stack.boards.power_on()).until(phase="Connected", within=60)
            await (await stack.deploy("hello")).until(phase="Running", within=60)

    with new_runner() as runner:
        runner.run(play())
    return [json.loads(each) for each in (folder / "history.jsonl").read_text().splitlines()]


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["Device", "deleted", "Connected", "virtual-1", "running"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in ``value``, with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


@st.composite
def altered(draw: st.DrawFn, events: list[dict[str, Any]]) -> bytes:
    """A history with some values replaced or removed, and some bytes changed."""
    events = json.loads(json.dumps(events))
    for event in draw(st.lists(st.sampled_from(range(len(events))), min_size=1, max_size=4)):
        container, key = draw(st.sampled_from(list(places(events[event])) or [(events, event)]))
        if isinstance(container, dict) and draw(st.booleans()):
            del container[key]
        else:
            container[key] = draw(ANYTHING)
    content = bytearray(b"".join(json.dumps(event).encode() + b"\n" for event in events))
    for _ in range(draw(st.integers(0, 2))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content)


UNHURRIED = settings(
    deadline=None,
    max_examples=examples(40),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


@UNHURRIED
@given(data=st.data())
def test_no_history_breaks_a_judge(data: st.DataObject, recorded: list[dict[str, Any]]) -> None:
    """The history is good, broken, or refused as a usage error."""
    content = data.draw(altered(recorded))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("one", "two"):
            Path(folder, name, "test").mkdir(parents=True)
            Path(folder, name, "test", "result.json").write_text('{"test": "test"}')
        Path(folder, "one", "test", "history.jsonl").write_bytes(content)
        whole = b"".join(json.dumps(event).encode() + b"\n" for event in recorded)
        Path(folder, "two", "test", "history.jsonl").write_bytes(whole)
        path = str(Path(folder, "one", "test", "history.jsonl"))
        for command in (
            ["check", path],
            *(["check", path, judge] for judge in JUDGES),
            ["check", path, JUDGES[0], f"--picture={folder}/picture.svg"],
            ["sequences", "record", path],
            ["compare", f"{folder}/one", f"{folder}/two"],
            ["compare", f"{folder}/one", f"{folder}/two", "--test=test"],
        ):
            code, output = output_of(*command)
            assert code in (0, 1, 2), (command, output)
            assert "bug in the harness" not in output


@UNHURRIED
@given(content=st.binary(max_size=200))
@example(content=b"\xef\xbb\xbf{}\n")
def test_no_bytes_break_a_judge(content: bytes) -> None:
    code, output = check(content + b"\n", JUDGES[0])
    assert code in (1, 2), output


@UNHURRIED
@given(value=ANYTHING, depth=st.integers(0, DEEPEST - 10))
def test_no_value_in_a_message_breaks_a_judge(value: Any, depth: int) -> None:
    """Including deep values, which a peer may send."""
    assume(value is not None)
    for _ in range(depth):
        value = [value]
    data = {"device": value, "code": value, "status": value, "heartbeatInterval": value, "certificate": value}
    names = ["TlsConnected", "EnrollmentRequest", "EnrollmentResponse", "Error", "DeploymentResult"]
    lines = [
        line(n=n, kind="message", source=source, target=target, name=name, data=data | extra, correlation="a")
        for n, (name, source, target, extra) in enumerate(
            (name, *route, extra)
            for name in names
            for route in (("Device", "Gateway"), ("Gateway", "Device"))
            for extra in ({}, {"applicationId": "a", "device": "b"})
        )
    ]
    for judge in JUDGES:
        code, output = check(b"".join(lines), judge)
        assert code in (0, 1, 2), output[:2000]


FIELDS = ("test", "title", "outcome", "blame", "message", "duration", "rerun", "options", "parts", "links", "attempts")
ROW = ("run", "boards", "passed", "failed", "not_run", "flaky", "duration", "flaky_tests", "figures", "tests", "source")


@UNHURRIED
@given(
    result=st.dictionaries(st.sampled_from(FIELDS), ANYTHING) | ANYTHING,
    row=st.dictionaries(st.sampled_from(ROW), ANYTHING | st.integers(0, 9) | st.just("2026")) | ANYTHING,
    noise=st.binary(max_size=20),
)
def test_no_result_and_no_trend_break_a_command(result: Any, row: Any, noise: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("one", "two"):
            Path(folder, name, "test").mkdir(parents=True)
        Path(folder, "one", "test", "result.json").write_text(json.dumps(result))
        Path(folder, "one", "verdicts.jsonl").write_text(json.dumps(result) + "\n")
        Path(folder, "two", "test", "result.json").write_bytes(noise)
        Path(folder, "two", "verdicts.jsonl").write_bytes(noise)
        Path(folder, "trend.jsonl").write_bytes(json.dumps(row).encode() + b"\n" + noise)
        for command in (
            ["compare", f"{folder}/one", f"{folder}/two"],
            ["compare", f"{folder}/two", f"{folder}/one"],
            ["trend", f"--reports={folder}"],
            ["trend", f"--reports={folder}", "--output=json"],
        ):
            code, output = output_of(*command)
            assert code in (0, 1, 2), (command, output)

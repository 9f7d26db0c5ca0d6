"""Diagrams in files, and the commands around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import run
from harness.core.errors import UsageError
from harness.sequences import judge, load, read_documents

MARKDOWN = """\
# Guide

Text with `sequenceDiagram` in it.

```mermaid
graph TD
  A-->B
```

## The first flow

- in a list:

  ```mermaid
  sequenceDiagram
      participant A as One
      actor B
      A->>B: hi<br/>there
      loop Every day
          B-->>A: ho
      end
  ```

## The second flow

~~~mermaid
---
title: A title of its own
---
sequenceDiagram
    A->>B: x
~~~

```
sequenceDiagram
    not a mermaid block
```
"""


def test_every_mermaid_block_of_a_markdown_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "guide.md"
    file.write_text(MARKDOWN)
    first, second = read_documents(file)
    assert (first.title, first.line) == ("The first flow", 15)
    assert (second.title, second.line) == ("A title of its own", 27)
    assert first.summary() == {
        "title": "The first flow",
        "line": 15,
        "participants": [
            {"name": "A", "title": "One", "kind": "participant"},
            {"name": "B", "title": "B", "kind": "actor"},
        ],
        "arrows": [
            {"source": "A", "form": "->>", "target": "B", "text": ["hi", "there"], "line": 18},
            {"source": "B", "form": "-->>", "target": "A", "text": ["ho"], "line": 20},
        ],
        "fragments": [{"kind": "loop", "labels": ["Every day"], "depth": 0, "line": 19}],
    }


def test_an_error_in_a_block_names_the_line_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "guide.md"
    file.write_text(MARKDOWN.replace("actor B", "actor"))
    with pytest.raises(UsageError, match="expected a name after 'actor'") as error:
        read_documents(file)
    assert error.value.where == f"{file}:17:12"


@pytest.mark.parametrize(
    ("name", "content"), [("none.mmd", b"# Nothing"), ("latin.mmd", b"\xe9"), ("absent.mmd", None)]
)
def test_a_file_that_is_no_diagram_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert run(["sequences", "parse", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert name in error
    assert "error: " in error
    assert "Traceback" not in error


def test_a_markdown_file_may_have_other_diagrams_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "guide.md"
    file.write_text("```mermaid\ngraph TD\nA-->B\n```\n")
    assert run(["sequences", "parse", str(file), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert "guide.md has no sequence diagram" in captured.err


def test_parse_shows_what_a_diagram_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "guide.md"
    file.write_text(MARKDOWN)
    assert run(["sequences", "parse", str(file)]) == 0
    out = capsys.readouterr().out
    assert "line 15: The first flow" in out
    assert "participants  2: A, B" in out
    assert "arrows        2" in out
    assert "fragments     1 loop" in out
    assert run(["sequences", "parse", str(file), "--json"]) == 0
    assert [item["title"] for item in json.loads(capsys.readouterr().out)] == ["The first flow", "A title of its own"]


def test_the_list_of_flows_says_arrows_bindings_and_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sequences"]) == 0
    lines = {line.split()[0]: line.split(maxsplit=5) for line in capsys.readouterr().out.splitlines()}
    assert lines["sequence"] == ["sequence", "about", "arrows", "bindings", "state"]
    flow = load("device-enrollment")
    assert lines["device-enrollment"][1:] == ["device", str(len(flow.arrows)), str(len(flow.events)), "events", "ready"]
    assert lines["dashboard-devices"][1] == "device"
    assert lines["px4-communication"][-1] == "pending: the PX4 bridge is not built yet"


def test_a_broken_sequence_is_marked_and_the_others_go_on(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "scenarios" / "sequences"
    folder.mkdir(parents=True)
    (folder / "cut.mmd").write_text("sequenceDiagram\nopt\nDevice->>Gateway: Heartbeat\n")
    (folder / "pulse.mmd").write_text("sequenceDiagram\nDevice->>Gateway: Heartbeat\n")
    monkeypatch.chdir(tmp_path)
    broken = "scenarios/sequences/cut.mmd:2:1: 'opt' is never closed"
    assert run(["sequences"]) == 2
    lines = {line.split()[0]: line.split(maxsplit=4) for line in capsys.readouterr().out.splitlines()}
    assert lines["cut"] == ["cut", "-", "-", "-", f"broken: {broken}"]
    assert lines["pulse"][-1].split() == ["events", "ready"]
    assert "device-enrollment" in lines
    assert run(["sequences", "list", "--arrows"]) == 2
    out = capsys.readouterr().out
    assert f"\ncut: broken: {broken}\n" in out
    assert "\npulse: pulse\n" in out
    assert judge("pulse", build.history("Device->>Gateway: Heartbeat")).ok
    with pytest.raises(UsageError, match="'opt' is never closed"):
        judge("cut", [])


def test_the_arrows_of_a_flow_with_their_events(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sequences", "list", "certificate-invalid", "compile-and-create", "--arrows"]) == 0
    out = capsys.readouterr().out
    assert "  Gateway->>Device: Error (code = CERTIFICATE_INVALID, action = RENEW_CERTIFICATE)\n" in out
    assert "of closed; ConnectionClosed from Device to Gateway, about device" in out
    assert "pending: the compile service is not built yet" in out
    assert run(["sequences", "list", "nothing-like-it"]) == 2
    assert "there is no sequence called" in capsys.readouterr().err


def _write(build: Any, path: Path, text: str) -> Path:
    path.write_text("".join(event.to_json() + "\n" for event in build.history(text)))
    return path


TEXT = """
Device->>Gateway: TlsConnected (certificate)
Device->>Gateway: EnrollmentRequest
Gateway->>Device: Error (code = CERTIFICATE_INVALID, action = RENEW_CERTIFICATE)
Gateway->>Device: ConnectionClosed
"""


def test_record_and_check_a_history(build: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history = _write(build, tmp_path / "history.jsonl", TEXT)
    assert run(["sequences", "record", str(history)]) == 0
    diagram = tmp_path / "mine.mmd"
    diagram.write_text(capsys.readouterr().out)
    names = ["--sequence", str(diagram), "--sequence", "certificate-invalid"]
    assert run(["check", str(history), *names]) == 0
    out = capsys.readouterr().out
    assert "follows  mine\n    1 device followed it" in out
    assert "follows  certificate-invalid" in out


def test_check_says_where_a_history_does_not_follow(
    build: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = _write(build, tmp_path / "history.jsonl", TEXT.replace("CERTIFICATE_INVALID", "PROTOCOL_ERROR"))
    picture = tmp_path / "verdict.svg"
    options = ["--sequence", "certificate-invalid", "--picture", str(picture)]
    assert run(["check", str(history), *options]) == 1
    out = capsys.readouterr().out
    assert "does not follow  certificate-invalid" in out
    assert "    board-1: Error came with other data: expected code = CERTIFICATE_INVALID" in out
    assert picture.read_text().startswith("<svg")
    assert run(["check", str(history), "--sequence", "nope"]) == 2
    assert run(["check", str(history), *options, "--only", "board-7"]) == 1


def test_a_history_cut_in_the_middle_of_a_line_is_judged_as_far_as_it_goes(
    build: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = _write(build, tmp_path / "history.jsonl", TEXT)
    history.write_bytes(history.read_bytes()[:-30])
    assert run(["check", str(history), "--sequence", "certificate-invalid"]) == 1
    out = capsys.readouterr().out
    assert "line 4 was cut off; everything before it was read" in out
    assert "the history ends before Device->>Gateway: ConnectionClosed" in out
    assert run(["sequences", "record", str(history)]) == 0
    captured = capsys.readouterr()
    assert "note: line 4 was cut off" in captured.err
    assert "ConnectionClosed" not in captured.out

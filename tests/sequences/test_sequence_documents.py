"""Diagrams in files, and the commands around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import run
from harness.core.errors import UsageError
from harness.sequences import DiagramError, judge, load, parse, read_documents

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
    (first, second), broken = read_documents(file)
    assert not broken
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
    _, (error,) = read_documents(file)
    assert "expected a name after 'actor'" in error.what
    assert error.where == f"{file}:17:12"


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
    assert run(["sequences", "list", "certificate-invalid", "px4-communication", "--arrows"]) == 0
    out = capsys.readouterr().out
    assert "  Gateway->>Device: Error (code = CERTIFICATE_INVALID, action = RENEW_CERTIFICATE)\n" in out
    assert "of closed; ConnectionClosed from Device to Gateway, about device" in out
    assert "pending: the PX4 bridge is not built yet" in out
    assert run(["sequences", "list", "nothing-like-it"]) == 2
    assert "there is no sequence" in capsys.readouterr().err


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


def markdown(tmp_path: Path, text: str, name: str = "flow.md") -> Path:
    file = tmp_path / name
    file.write_bytes(text.encode())
    return file


def arrows(file: Path) -> list[list[tuple[str, list[str], int]]]:
    documents, broken = read_documents(file)
    assert not broken
    shown = [document.summary()["arrows"] for document in documents]
    return [[(arrow["source"], arrow["text"], arrow["line"]) for arrow in each] for each in shown]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_what_ends_a_line_elsewhere_ends_none_in_markdown(tmp_path: Path, character: str) -> None:
    text = f"a{character}b\n\n```mermaid\nsequenceDiagram\n  A->>B: one{character}two\n  B->>A: three\n```\n"
    assert arrows(markdown(tmp_path, text)) == [[("A", [f"one{character}two"], 5), ("B", ["three"], 6)]]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_may_end_as_they_do_elsewhere(tmp_path: Path, end: str) -> None:
    text = "# x\n```mermaid\nsequenceDiagram\n  A->>B: one\n```\n".replace("\n", end)
    assert arrows(markdown(tmp_path, text)) == [[("A", ["one"], 4)]]


@pytest.mark.parametrize("name", ["flow.md", "flow.mmd"])
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, name: str) -> None:
    fence = "```mermaid\n" if name.endswith(".md") else ""
    text = f"\ufeff{fence}sequenceDiagram\n  A->>B: one\n" + ("```\n" if fence else "")
    assert arrows(markdown(tmp_path, text, name)) == [[("A", ["one"], 3 if fence else 2)]]


@pytest.mark.parametrize(
    "info", ["{mermaid}", "{mermaid} flow", "{.mermaid #flow}", "mermaid {width=50%}", "mermaid{code_block=true}"]
)
def test_fences_of_other_writers_of_markdown_are_read(tmp_path: Path, info: str) -> None:
    assert arrows(markdown(tmp_path, f"```{info}\nsequenceDiagram\n  A->>B: one\n```\n")) == [[("A", ["one"], 3)]]
    assert arrows(markdown(tmp_path, f"```x{info}\nsequenceDiagram\n  A->>B: one\n```\n")) == []


def test_the_options_of_a_myst_directive_are_not_part_of_the_diagram(tmp_path: Path) -> None:
    text = "```{mermaid}\n:name: flow\n:alt: How it goes\n\nsequenceDiagram\n  A->>B: one\n```\n"
    assert arrows(markdown(tmp_path, text)) == [[("A", ["one"], 6)]]
    text = "````{mermaid}\n---\nname: flow\n---\nsequenceDiagram\n  A->>B: one\n````\n"
    assert arrows(markdown(tmp_path, text)) == [[("A", ["one"], 6)]]


def test_mdx_has_markdown_inside_its_tags(tmp_path: Path) -> None:
    fence = "    ```mermaid\n    sequenceDiagram\n      A->>B: one\n    ```\n"
    text = f"import Tabs from '@theme/Tabs'\n\n<Tabs>\n{fence}</Tabs>\n"
    assert arrows(markdown(tmp_path, text, "flow.mdx")) == [[("A", ["one"], 6)]]
    assert arrows(markdown(tmp_path, text)) == [], "in Markdown that is HTML"


TWO = "```mermaid\nsequenceDiagram\n  A->>B\n```\n\n## Good\n\n```mermaid\nsequenceDiagram\n  A->>B: one\n```\n"


def test_one_broken_block_hides_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = markdown(tmp_path, TWO)
    (good,), (broken,) = read_documents(file)
    assert (good.title, good.line, broken.where) == ("Good", 9, f"{file}:3:8")
    assert run(["sequences", "parse", str(file)]) == 2
    captured = capsys.readouterr()
    assert "line 9: Good\n" in captured.out
    assert f"error: {file}:3:8: expected ':' and the message's text, found the end of the text" in captured.err
    assert run(["sequences", "parse", str(file), "--json"]) == 2
    assert [item["title"] for item in json.loads(capsys.readouterr().out)] == ["Good"]


HINT = "if the ';' before it belongs to a text, write #59; for it"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("A->>B: wait; then go", "expected a statement"),
        ("A->>B: PATCH (a = 1; b = 2)", "expected a statement"),
        ("Note over A: one;two", "expected a statement"),
        ("A->>B: start; end of it", "'end' closes nothing"),
    ],
)
def test_a_semicolon_that_was_meant_as_text_gets_a_hint(line: str, told: str) -> None:
    with pytest.raises(DiagramError) as refused:
        parse(f"sequenceDiagram\n  {line}\n")
    assert told in refused.value.what
    assert str(refused.value.do).endswith(HINT)


def test_an_error_elsewhere_gets_no_such_hint() -> None:
    for text in ("sequenceDiagram\n  A->>B: x; B->>A: y\n  what", "sequenceDiagram\n  A->>B: #59;\n  what"):
        with pytest.raises(DiagramError) as refused:
            parse(text)
        assert HINT not in str(refused.value)

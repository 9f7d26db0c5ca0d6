"""The promise of exit codes, for every command: 0 to 3 only, one message with what to do, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from harness.cli.main import COMMANDS, run, wasmbed

ARGUMENTS = {
    "act": "cut", "board": "nobody", "boards": "nobody", "channel": "0", "code": "app.c", "file": "nothing.wat",
    "first": "latest", "second": "latest", "folder": "nothing", "history": "nothing.jsonl", "module": "nothing.wasm",
    "name": "nothing", "names": "nothing", "objects": "device/nothing", "programs": "nothing", "run": "nothing",
    "shards": "nothing", "value": "1",
}  # fmt: skip
"""A value for each required argument: what is named is not there."""
ALONE = {
    *("run", "explore", "mutate", "doctor", "boards", "clean", "up", "api", "controllers", "gateway", "emulators"),
    *("emulate", "infrastructure", "secrets", "platform deploy", "platform build"),
}
"""Commands that need nothing that runs, and make what they need: their own tests have their mistakes."""


def commands(group: click.Group, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*prefix, name))
        else:
            yield (*prefix, name), command


ALL = dict(commands(wasmbed))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, without a platform."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no" / "kubeconfig"))


def test_every_command_is_tried() -> None:
    assert {words[0] for words in ALL} == set(COMMANDS)


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_an_unknown_option_is_a_mistake_of_the_caller(
    words: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [*words, "--no-such-option"]
    assert run(given) == 2
    said = capfd.readouterr().err
    assert "Usage: wasmbed" in said or "\n  -> " in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [words for words in ALL if " ".join(words) not in ALONE], ids=" ".join)
def test_what_is_not_there_is_said_in_one_message(
    words: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """No platform runs, and no file or run of that name exists."""
    command = ALL[words]
    required = [each for each in command.params if each.required]
    arguments = [ARGUMENTS[each.name or ""] for each in required if isinstance(each, click.Argument)]
    arguments += [
        ARGUMENTS[each.name or ""] for each in command.params if each.name in ("boards", "names") and not each.required
    ]
    options = [
        part
        for each in required
        if isinstance(each, click.Option)
        for part in (each.opts[0], {"to": "all", "wanted": "phase=Connected"}.get(each.name or "", "nothing"))
    ]
    code = run([*words, *options, *arguments])
    said = "".join(capfd.readouterr())
    assert code in range(4)
    assert "Traceback" not in said
    assert "bug in the harness" not in said
    if code:
        assert said.count("error: ") == 1 or "Usage: " in said, said
        assert "\n  -> " in said or "Usage: " in said, said
    assert [path.name for path in tmp_path.iterdir()] == []

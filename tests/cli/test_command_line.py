"""Commands that need no cluster, and errors as one message with the right exit code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.boards.qemu import QemuTier
from harness.boards.qemu.tier import qemu_version
from harness.boards.virtual.board import VirtualBoard
from harness.cli.main import COMMANDS, run
from harness.core.clock import ManualClock
from harness.core.history import History, Kind
from harness.testing.board import BOARD_CHECKS


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    program = (
        "import sys; from harness.cli.main import run; code = run(['--help']);"
        "heavy = {'wasmtime', 'aiohttp', 'kubernetes', 'rich', 'cryptography'} & set(sys.modules);"
        "assert not heavy, heavy; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert "Usage: wasmbed" in capsys.readouterr().out


def test_without_a_command_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "Commands" in capsys.readouterr().out


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fly"]) == 2
    assert "No such command 'fly'" in capsys.readouterr().err
    assert run(["bords"]) == 2
    assert "No such command 'bords'. Did you mean 'boards'?" in capsys.readouterr().err


def test_a_bug_is_one_message_with_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "broken", ("no_such_module", ""))
    assert run(["broken"]) == 3
    error = capsys.readouterr().err
    assert "a bug in the harness" in error
    assert "Traceback" not in error


def test_doctor_says_how_to_get_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("COLUMNS", "200")
    qemu_version.cache_clear()
    try:
        assert run(["doctor"]) == 0
    finally:
        qemu_version.cache_clear()
    output = capsys.readouterr().out
    for words in (
        "qemu-system-arm is not installed; on Debian",
        "not found, for manual use of the cluster: install Debian's kubernetes-client",
        "not found, for make firmware: install Rust",
        "not found, for make firmware (linker): install Debian's lld",
    ):
        assert words in output
    assert "virtual " in output


def test_doctor_lists_what_is_available(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    output = capsys.readouterr().out
    assert "virtual" in output
    assert "embedded" in output
    assert "kubectl" in output


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    history = History(ManualClock(), tmp_path / "history.jsonl")
    history.record(
        Kind.STATE, "Kubernetes", "", "Device", {"change": "added", "name": "a", "status": {"phase": "Pending"}}, "a"
    )
    history.close()
    return tmp_path / "history.jsonl"


def test_check_accepts_a_good_history(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(recorded)]) == 0
    assert "good" in capsys.readouterr().out


def test_check_names_the_broken_rule(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = '{"at":1,"n":1,"kind":"state","source":"Kubernetes","target":"","name":"Device",'
    line += '"data":{"change":"modified","name":"a","status":{"phase":"Connected"}},"correlation":"a"}'
    recorded.write_text(recorded.read_text() + line + '\n{"at": 2, "n"')
    assert run(["check", str(recorded.parent)]) == 1
    output = capsys.readouterr().out
    assert "a went from Pending to Connected" in output
    assert "was cut off" in output


def test_check_refuses_a_file_that_is_not_a_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("hello\nyou\n")
    assert run(["check", str(tmp_path / "text")]) == 2
    assert run(["check", str(tmp_path / "nowhere")]) == 2
    assert run(["check", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "is not an event" in error
    assert "cannot be read" in error
    assert "no history in this folder" in error


def test_replaying_an_absent_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, words in (
        (tmp_path / "no", "the folder does not exist"),
        (tmp_path, "no recording of a board in this folder"),
    ):
        assert run(["replay", str(folder)]) == 2
        assert f"{folder}: {words}" in capsys.readouterr().err


def test_without_a_kubeconfig_the_message_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    assert run(["devices"]) == 2
    assert "wasmbed up" in capsys.readouterr().err


def test_an_unreachable_cluster_is_the_rigs_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
        "contexts: [{name: x, context: {cluster: x, user: x}}]\nusers: [{name: x, user: {token: t}}]\n"
        "clusters: [{name: x, cluster: {server: 'http://127.0.0.1:9'}}]\n"
    )
    assert run(["devices", "--kubeconfig", str(kubeconfig)]) == 3
    assert "cannot be reached" in capsys.readouterr().err


def test_a_module_that_cannot_run_is_refused_before_it_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "bad.wasm"
    assert run(["deploy", str(module), "--to", "all"]) == 2
    module.write_bytes(b"nothing")
    assert run(["deploy", str(module), "--to", "all"]) == 2
    error = capsys.readouterr().err
    assert "cannot be read" in error
    assert "not a WebAssembly binary" in error


REFUSED = {
    "gcstruct": (
        '(type $s (struct (field i32))) (memory (export "memory") 1)'
        '(func (export "run") (drop (struct.new $s (i32.const 1))))',
        "struct indexed types not supported without the gc feature",
    ),
    "exceptions": ('(tag $e) (memory (export "memory") 1) (func (export "run"))', "exceptions proposal not enabled"),
    "wide": (
        '(memory (export "memory") 1) (func (export "run")'
        "(i64.add128 (i64.const 1) (i64.const 0) (i64.const 1) (i64.const 0)) drop drop)",
        "wide arithmetic support is not enabled",
    ),
    "oob-data": ('(memory (export "memory") 1) (data (i32.const 65535) "ab") (func (export "run"))', "data segment 0"),
    "large": (f'(memory (export "memory") 1) (data "{"x" * (1 << 20)}") (func (export "run"))', "has 1,048,6"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_module_that_no_device_accepts_is_refused_before_it_is_sent(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, words = REFUSED[name]
    module = tmp_path / f"{name}.wat"
    module.write_text(f"(module {text})")
    assert run(["deploy", str(module), "--to", "all"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert "start function" not in error


def test_boards_lists_the_features_and_limits_of_each_kind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert run(["boards", "--verbose"]) == 0
    output = capsys.readouterr().out
    assert " ".join(sorted(VirtualBoard.features)) in output
    if QemuTier.unavailable() is None:
        described = output[output.index("stm32vldiscovery (qemu): ") :]
        assert "\n    cannot do: TLS: 8 KiB of RAM do not hold a handshake" in described
        assert re.search(r"\n    not available: it cannot do TLS .*; ask for stm32vldiscovery\+plain-serial", described)
    else:
        assert str(QemuTier.unavailable()) in output


def test_boards_names_kinds_that_are_not_available(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setenv("WASMBED_IMAGES", str(tmp_path))
    assert run(["boards"]) == 0
    assert re.search(r"^mps2-an385, .* \(qemu\)\n    not available: ", capsys.readouterr().out, re.MULTILINE)


def test_a_narrow_terminal_cuts_no_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("WASMBED_IMAGES", str(tmp_path))
    outputs = []
    for columns in ("300", "80"):
        monkeypatch.setenv("COLUMNS", columns)
        assert run(["boards", "--verbose"]) == 0
        outputs.append(capsys.readouterr().out.split())
    wide, narrow = ("".join(words) for words in outputs)
    assert wide == narrow


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--boards=virtual=2", "--image=x"], "boards of kind virtual take no image"),
        (["up", "--boards=virtual,mps2-an385", "--image=x"], "is for boards of one kind"),
        (["boards", "--image=x"], "is for --check"),
        (["boards", "--check=virtual", "--image=x"], "boards of kind virtual take no image"),
        (["boards", "--check=virtuel"], "did you mean 'virtual'"),
    ],
)
def test_an_image_that_the_boards_cannot_have_is_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.skipif(QemuTier.unavailable_for_images() is not None, reason=str(QemuTier.unavailable_for_images()))
def test_up_looks_at_an_image_before_it_starts_a_platform(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--port=0", "--http-port=0", "--boards=mps2-an385", f"--image={sys.executable}"]) == 2
    shown = capsys.readouterr()
    assert re.search(r"--image: .* is (for another processor|not)", shown.err)
    assert (shown.out, "HTTP API" in shown.err) == ("", False)


def test_boards_of_a_kind_are_checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    few = {name: BOARD_CHECKS[name] for name in ("enrolls_with_certificate", "tells_about_itself")}
    monkeypatch.setattr("harness.testing.board.BOARD_CHECKS", few)
    assert run(["boards", "--check=virtual"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("kept ")]
    assert {line.split()[1] for line in lines} == {f"{name}:" for name in few}

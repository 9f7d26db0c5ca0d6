"""A recorded board enrolls, runs a module and fails; its replay writes the same bytes, also under a debugger."""

from __future__ import annotations

import asyncio
import gzip
import json
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.boards.board import NOT_RECORDED
from harness.boards.gdb import GdbStub
from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from harness.boards.qemu.recording import DESCRIPTION, Recording, find_recordings
from harness.boards.qemu.replay import replay
from harness.cli.main import run as command
from harness.core.clock import SystemClock
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.core.loop import new_runner
from harness.stack import Stack, StackOptions
from harness.testing.board import Expectations, check_board

KIND = "mps2-an385"
PLATFORM = find_platforms("qemu-system-arm")[KIND]
MISSING = QemuTier.unavailable() or (None if PLATFORM.image_path.exists() else f"no image of {KIND}: `make firmware`")
SLOW = Expectations(patience=60, heartbeat=2.0)


def live(test: Callable[..., object]) -> Callable[..., object]:
    return pytest.mark.system("QEMU")(pytest.mark.skipif(MISSING is not None, reason=str(MISSING))(test))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a stack whose recorded board failed, lost its power and came back."""
    folder = tmp_path_factory.mktemp("run")

    async def play() -> None:
        options = StackOptions(boards="qemu", heartbeat=1.0, record=True)
        async with asyncio.timeout(90), Stack(options, folder=folder) as stack:
            await stack.boards.power_on("virtual")
            board = await stack.boards.power_on(KIND, name="pump-1")
            await stack.device(board).until(phase="Connected", within=30)
            application = await stack.deploy("trap", to=board)
            await application.until(phase="Error", within=30)
            with pytest.raises(ProductFailure, match=r"to replay pump-1: wasmbed replay .*/boards/pump-1/1"):
                await stack.device(board).until(phase="Failed", within=0.05)
            assert not NOT_RECORDED & board.features
            with pytest.raises(UsageError, match="lacks the feature 'reset' while it is recorded"):
                await board.reset()
            with pytest.raises(UsageError, match="lacks the feature 'pause' while it is recorded"):
                await board.pause()
            with pytest.raises(UsageError, match="wasmbed replay --gdb"):
                async with board.debugger():
                    pass
            with pytest.raises(UsageError, match="lacks the feature 'ethernet' while it is recorded"):
                await stack.boards.power_on(KIND, link="ethernet")
            await board.cut_power()
            await stack.device(board).until(phase="Disconnected", within=30)
            await board.power_on()
            await stack.device(board).until(phase="Connected", within=30)
            notes = stack.history.find("recorded", about="pump-1")
            folders = [recording.folder for recording in find_recordings(folder)]
            assert [note.data["replay"] for note in notes] == [f"wasmbed replay {folder}" for folder in folders]
            assert board.recording == folders[1]

    with new_runner() as runner:
        runner.run(play())
    return folder


@live
def test_a_replay_writes_the_same_bytes(run_folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    first, second = find_recordings(run_folder)
    for recording, words in ((first, b"fault TRAP"), (second, b"link: heartbeat answered")):
        assert command(["replay", str(recording.folder), "--board", "pump-1"]) == 0
        output = capfdbinary.readouterr()
        assert output.out == recording.console.read_bytes()
        assert words in output.out
        assert f"replayed pump-1: {len(output.out)} bytes, equal to the recording".encode() in output.err


@live
def test_a_recording_is_its_owners_for_it_holds_a_private_key(run_folder: Path) -> None:
    for recording in find_recordings(run_folder):
        assert recording.folder.stat().st_mode & 0o777 == 0o700
        modes = {path.name: path.stat().st_mode & 0o777 for path in recording.folder.iterdir()}
        assert {modes.pop(name) for name in ("blob", "log", "console")} == {0o600}
        assert modes.pop("memory.gz", 0o600) == 0o600
        assert set(modes) == {DESCRIPTION}


@live
async def test_a_replay_can_be_stepped_and_steps_the_same_way(run_folder: Path) -> None:
    recording = find_recordings(run_folder)[0]

    async def step() -> dict[str, int]:
        attach: asyncio.Future[Path] = asyncio.get_running_loop().create_future()
        running = asyncio.create_task(replay(recording, PLATFORM, SystemClock(), gdb=attach.set_result, within=60))
        await asyncio.wait({attach, running}, return_when=asyncio.FIRST_COMPLETED)
        stub = GdbStub("pump-1")
        await stub.open(str(attach.result()))
        start = (await stub.read_registers())["pc"]
        for _ in range(50):
            await stub.step()
        registers = await stub.read_registers()
        assert registers["pc"] != start
        await stub.close()
        assert await running == recording.console.read_bytes()
        return registers

    async def run_to(address: int) -> None:
        program = "from harness.cli import main; main()"
        command = [sys.executable, "-c", program, "replay", str(recording.folder), "--gdb"]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        assert process.stderr is not None
        output = (await process.stderr.readuntil(b"target remote ")) + await process.stderr.readline()
        assert b"gdb-multiarch" in output
        stub = GdbStub("pump-1")
        await stub.open(shlex.split(output.decode().splitlines()[-1])[-1].removeprefix("target remote "))
        await stub.run_to(address)
        assert (await stub.read_registers())["pc"] == address
        await stub.close()
        written, _ = await process.communicate()
        assert (process.returncode, written) == (0, recording.console.read_bytes())

    first = await step()
    assert await step() == first
    await run_to(first["pc"])


@live
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_ended_replay_leaves_nothing(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    program = "from harness.cli import main; main()"
    command = [sys.executable, "-c", program, "replay", str(find_recordings(run_folder)[0].folder), "--gdb"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "is stopped before its first instruction" in process.stderr.readline()
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        words = process.stderr.read()
        assert process.wait(60) == 130, words
    assert "Traceback" not in words
    assert list(tmp_path.iterdir()) == []


@live
def test_a_recording_that_is_changed_is_noticed(run_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    recording = find_recordings(run_folder)[0]
    kept = recording.console.read_bytes()
    recording.console.write_bytes(kept[:100] + b"?" + kept[101:])
    try:
        assert command(["replay", str(recording.folder)]) == RigError.exit_code
    finally:
        recording.console.write_bytes(kept)
    assert "differs from byte 100 on" in capfd.readouterr().err


@live
def test_a_log_that_is_cut_off_is_a_failure_of_the_rig(run_folder: Path) -> None:
    recording = find_recordings(run_folder)[0]
    log = recording.folder / "log"
    kept = log.read_bytes()
    log.write_bytes(kept[: len(kept) // 2])
    try:
        with new_runner() as runner, pytest.raises(RigError, match=r"gave the replay up|did not end|differs"):
            runner.run(replay(recording, PLATFORM, SystemClock(), within=20))
    finally:
        log.write_bytes(kept)


@live
async def test_the_kit_skips_what_a_recorded_board_lacks(tmp_path: Path) -> None:
    found: dict[str, str] = {}

    tier = QemuTier()
    try:
        await check_board(
            lambda settings, shared: tier.make(KIND, replace(settings, recording=tmp_path / settings.name), shared),
            only=["enrolls_with_certificate", "restarts_with_its_identity"],
            expectations=SLOW,
            progress=found.__setitem__,
        )
    finally:
        await tier.close()
    assert found == {"enrolls_with_certificate": "passed", "restarts_with_its_identity": "skipped"}
    assert len(find_recordings(tmp_path)) == 1


@live
async def test_a_board_that_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    async with Stack(StackOptions(), folder=tmp_path) as stack:
        with pytest.raises(UsageError, match="boards of kind virtual cannot be recorded"):
            await stack.boards.power_on("virtual", record=True)
    async with Stack(StackOptions()) as stack:
        with pytest.raises(UsageError, match="no folder for recordings"):
            await stack.boards.power_on(KIND, record=True)


def recording_of(folder: Path, board: str, **changes: object) -> Recording:
    facts = {"board": board, "kind": KIND, "program": "qemu-system-arm", "link": 0, "image": "image.elf", **changes}
    folder.mkdir(parents=True)
    (folder / DESCRIPTION).write_text(json.dumps({name: fact for name, fact in facts.items() if fact is not None}))
    for name in ("image.elf", "blob", "console"):
        (folder / name).touch()
    (folder / "log").write_bytes(b"log")
    return Recording(folder)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["3 recordings in this folder", "name one of them", "pump-2/1"]),
        (["--board", "pump-1"], ["2 recordings in this folder", "pump-1/2"]),
        (["--board", "pump-3"], ["no board 'pump-3' was recorded", "pump-1, pump-2"]),
    ],
)
def test_several_recordings_are_to_choose_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    for place in ("pump-1/1", "pump-1/2", "pump-2/1"):
        recording_of(tmp_path / place, place.split("/")[0])
    assert command(["replay", str(tmp_path), *arguments]) == UsageError.exit_code
    error = capsys.readouterr().err
    assert all(word in error for word in words), error


def test_many_recordings_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(11):
        recording_of(tmp_path / str(number), "pump-1")
    assert command(["replay", str(tmp_path)]) == UsageError.exit_code
    assert "and 3 more" in capsys.readouterr().err


def test_a_folder_without_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, words in ((tmp_path, "--record=yes"), (tmp_path / "nowhere", "the folder does not exist")):
        assert command(["replay", str(folder)]) == UsageError.exit_code
        assert words in capsys.readouterr().err


def test_a_recording_of_an_unknown_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording_of(tmp_path / "1", "pump-1", kind="quantum")
    assert command(["replay", str(tmp_path)]) == UsageError.exit_code
    assert "the recorded kind of board is not available here: quantum" in capsys.readouterr().err


def test_a_recording_that_lacks_something_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lacks link"):
        _ = recording_of(tmp_path / "1", "pump-1", link=None).facts
    (tmp_path / "1" / DESCRIPTION).write_text("{")
    with pytest.raises(UsageError, match="is not a recording"):
        _ = Recording(tmp_path / "1").facts
    recording = recording_of(tmp_path / "2", "pump-1")
    recording.blob.unlink()
    with pytest.raises(UsageError, match=r"is incomplete: there is no .*blob"):
        recording.check()
    recording.blob.touch()
    recording.check()
    (recording.folder / "log").write_bytes(b"")
    with pytest.raises(UsageError, match="was not finished"):
        recording.check()


def test_a_folder_that_cannot_be_written_is_the_rigs_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (tmp_path / "file").open("rb") as memory, pytest.raises(RigError, match="recording cannot be kept"):
        Recording.begin(tmp_path / "file", PLATFORM, "pump-1", b"", memory)


FACTS = {"board": "pump-1", "kind": "mps2-an385", "program": "qemu-system-arm", "link": 0, "image": "x.elf"}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ("[]", "is not a recording: "),
        ("{}", "is not a recording: recording.json lacks board, image, kind, link, program"),
        ("[" * 5000, "is not a recording: "),
        ("\xff", "is not a recording: "),
        (json.dumps(FACTS | {"kind": ["x"]}), "is not a recording: 'kind' is ['x']"),
        (json.dumps(FACTS | {"link": "0"}), "is not a recording: 'link' is '0'"),
        (json.dumps(FACTS | {"image": None}), "is not a recording: 'image' is None"),
    ],
)
def test_a_damaged_description_is_refused(tmp_path: Path, facts: str, words: str) -> None:
    (tmp_path / "recording.json").write_bytes(facts.encode("latin-1"))
    with pytest.raises(UsageError) as refused:
        Recording(tmp_path).facts  # noqa: B018
    assert words in refused.value.what


@pytest.mark.parametrize(
    "spoil", [lambda data: data[:20], lambda data: b"x" + data, lambda data: data[:40] + b"\0" * 40]
)
def test_damaged_memory_is_refused(tmp_path: Path, spoil: Any) -> None:
    (tmp_path / "memory.gz").write_bytes(spoil(gzip.compress(bytes(range(200)))))
    with tempfile.TemporaryFile() as target, pytest.raises(UsageError, match="is damaged: ") as refused:
        Recording(tmp_path).unpack_memory(target)
    assert refused.value.where == str(tmp_path / "memory.gz")

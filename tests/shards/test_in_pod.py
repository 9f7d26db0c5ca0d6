"""A shard's program, and the results that it gives away."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.core.errors import RigError, UsageError
from harness.shards import results
from harness.shards.in_pod import EXIT_CODE
from harness.shards.job import Suite
from harness.shards.results import unpack
from tests.cli.command import HUNG

PROGRAM = (sys.executable, "-m", "harness.shards.in_pod")
"""As in an image; each command is a process of its own there."""


def beside(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, command, str(folder)], capture_output=True, timeout=HUNG, check=False)


@contextmanager
def ended(program: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A program that is killed where its test fails."""
    with program:
        try:
            yield program
        finally:
            program.kill()


def test_results_stay_until_they_were_fetched(tmp_path: Path) -> None:
    """They are ready once pytest has ended, can be fetched twice, and its exit code is the program's."""
    (tmp_path / "test_one.py").write_text(
        "def test_it():\n    print('running', flush=True)\n    assert input() == 'on'\n"
    )
    folder = tmp_path / "results"
    folder.mkdir()
    pipe = subprocess.PIPE
    arguments = (str(tmp_path / "test_one.py"), "-s", "-p", "no:cacheprovider")
    command = [*PROGRAM, "run", str(folder), *arguments]
    with ended(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=tmp_path)) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        while "running" not in (line := program.stdout.readline()):
            assert line
        assert beside("ready", folder).returncode == 1
        program.stdin.write("off\n")
        program.stdin.flush()
        while (line := program.stdout.readline()) != "ready\n":
            assert line
        assert beside("ready", folder).returncode == 0
        first = beside("fetch", folder)
        assert beside("fetch", folder).returncode == first.returncode == 0
        assert beside("release", folder).returncode == 0
        assert program.wait(HUNG) == 1
    (tmp_path / "archive").write_bytes(first.stdout)
    assert unpack(tmp_path / "archive", tmp_path / "unpacked") == 1


def test_a_shard_that_is_told_to_end_ends_its_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        "import signal\ndef test_it():\n    print('running', flush=True)\n    signal.pause()\n"
    )
    folder = tmp_path / "results"
    folder.mkdir()
    command = [*PROGRAM, "run", str(folder), str(tmp_path / "test_one.py"), "-s", "-p", "no:cacheprovider"]
    with ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path)) as program:
        assert program.stdout is not None
        while "running" not in (line := program.stdout.readline()):
            assert line
        program.terminate()
        assert program.wait(HUNG) == 143
        program.stdout.read()  # ends when pytest, which has it too, has ended


def packed(path: Path, *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size, member.type = len(content), kind
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    "archive",
    [
        lambda path: packed(path, ("../outside", b"1")),
        lambda path: packed(path, ("/outside", b"1")),
        lambda path: packed(path, ("runs/a", b"1")),
        lambda path: packed(path, (EXIT_CODE, b"all is well")),
        lambda path: path.write_bytes(b"not an archive") and path,
        lambda path: path.write_bytes(packed(path, (EXIT_CODE, b"0" * 5000)).read_bytes()[:-20]) and path,
    ],
    ids=["outside", "absolute", "no exit code", "another exit code", "no archive", "cut"],
)
def test_an_archive_that_is_not_right_is_refused(tmp_path: Path, archive) -> None:
    with pytest.raises(RigError, match="the results are damaged"):
        unpack(archive(tmp_path / "archive"), tmp_path / "unpacked")
    assert not (tmp_path / "outside").exists()


def test_an_archive_that_grows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "LARGEST", 1 << 20)
    archive = packed(tmp_path / "archive", ("runs/a", b"0" * (1 << 20)), (EXIT_CODE, b"0"))
    with pytest.raises(RigError, match="of results"):
        unpack(archive, tmp_path / "unpacked")


def test_empty_files_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "LARGEST", 10 * tarfile.BLOCKSIZE)
    archive = packed(tmp_path / "archive", *((f"runs/{number}", b"") for number in range(20)), (EXIT_CODE, b"0"))
    with pytest.raises(RigError, match="of results"):
        unpack(archive, tmp_path / "unpacked")


def test_a_disk_that_is_full_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not taken for a cluster that cannot be reached."""

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tarfile.TarFile, "extract", full)
    with pytest.raises(RigError, match="the results cannot be written: No space left on device"):
        unpack(packed(tmp_path / "archive", (EXIT_CODE, b"0")), tmp_path / "unpacked")


@pytest.mark.parametrize("argument", ["--shard=0/2", "--shard", "--reports=x"])
def test_what_each_shard_is_given_is_not_the_callers(argument: str) -> None:
    with pytest.raises(UsageError, match="each shard is given its own"):
        Suite(("scenarios", argument), 2, "image").check()

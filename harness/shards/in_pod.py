"""The program of a shard's pod: ``python -m harness.shards.in_pod COMMAND FOLDER``.

``run`` runs pytest with its results in FOLDER, keeps them until they were fetched, and ends with pytest's exit code.
The others are run beside it: ``ready`` by the kubelet, which asks whether pytest has ended; ``fetch``, which writes the
results to standard output as a tar archive, and ``release``, which lets ``run`` end, by ``wasmbed run``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from types import FrameType
from typing import NoReturn

__all__ = ["EXIT_CODE", "RUNS", "main"]

RUNS = "runs"
"""The folder of pytest's reports."""
EXIT_CODE = "exit-code"
"""The file with pytest's exit code, which is there once it has ended."""
_RELEASE = ".release"
FETCHED_WITHIN = 600
"""Seconds in which the results are fetched; after them nobody will: wasmbed run was killed."""


def run(folder: Path, *arguments: str) -> int:
    """Run pytest, and wait until its results were fetched; returns its exit code."""
    release = folder / _RELEASE
    os.mkfifo(release)
    # The first process of a container gets only signals that it handles.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGALRM, _end)
    pytest = subprocess.Popen([sys.executable, "-m", "pytest", *arguments, f"--reports={folder / RUNS}"])
    try:
        code = pytest.wait()
    finally:
        pytest.terminate()
    written = folder / f".{EXIT_CODE}"
    written.write_text(str(code))
    written.rename(folder / EXIT_CODE)
    print("ready", flush=True)
    signal.alarm(FETCHED_WITHIN)
    with release.open():  # until release opens it too
        return code


def ready(folder: Path) -> int:
    """Return 0 if the results can be fetched."""
    return 0 if (folder / EXIT_CODE).is_file() else 1


def fetch(folder: Path) -> int:
    """Write the exit code and the reports to standard output."""
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|gz") as archive:
        for name in (EXIT_CODE, RUNS):
            if (folder / name).exists():  # without a test there is no report
                archive.add(folder / name, name)
    return 0


def release(folder: Path) -> int:
    """Let ``run`` end."""
    with (folder / _RELEASE).open("w"):
        return 0


def _end(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def main(command: str, folder: str, *arguments: str) -> int:
    """Run one of the commands; returns its exit code."""
    commands = {"run": run, "ready": ready, "fetch": fetch, "release": release}
    return commands[command](Path(folder), *arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""The program: where it is, and how it is built from the sources in ``apiserver``.

It lies in a folder named after a digest of the sources, so one that is there is the right one, and what was built once
is never built again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.core.data_files import data_folder
from harness.core.errors import RigError, reason

__all__ = ["build", "find_go", "missing", "program", "sources", "version"]

NAME = "wasmbed-apiserver"
SOURCES = ("go.mod", "go.sum", "*.go")
BUILD_WITHIN = 3600.0
"""Seconds. On two idle cores it takes about 240, the first time."""
LAST_LINES = 15


def sources() -> Path:
    """The folder of the Go module."""
    return data_folder("apiserver")


def version() -> str:
    """The version of Kubernetes that the program is, as ``1.36.3``."""
    text = (sources() / "go.mod").read_text("utf-8")
    found = re.search(r"^\s*k8s\.io/kubernetes v(\S+)$", text, re.MULTILINE)
    assert found is not None, "go.mod requires k8s.io/kubernetes"
    return found[1]


def program() -> Path:
    """Where the program is, or would be."""
    digest = hashlib.sha256()
    for file in sorted(path for pattern in SOURCES for path in sources().glob(pattern)):
        digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
    return _cache() / digest.hexdigest()[:16] / NAME


def missing() -> str | None:
    """Why the program cannot be used, in one line that says how to get it; None where it can."""
    if not sources().is_dir():
        return f"{sources()} is not there: the harness is not installed whole"
    if program().is_file():
        return None
    need = "" if find_go() else f", which needs Go {_go_version()} (https://go.dev/dl)"
    return f"kube-apiserver {version()} is not built: run make apiserver{need}"


def find_go() -> str | None:
    """The ``go`` command."""
    return shutil.which("go")


def build() -> tuple[Path, bool]:
    """Build the program if it is not there; returns it, and whether it had to be built.

    Raises RigError where there is no Go or the build fails: an unavailable Go module, a full disk.
    """
    target = program()
    if target.is_file():
        return target, False
    go = find_go()
    if go is None:
        raise RigError(
            "go is not there", where="make apiserver", do=f"install Go {_go_version()} from https://go.dev/dl"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    package = "k8s.io/component-base/version"
    major, minor, _ = version().split(".")
    stamps = {"gitVersion": f"v{version()}", "gitMajor": major, "gitMinor": minor}
    flags = " ".join(["-s -w", *(f"-X {package}.{name}={value}" for name, value in stamps.items())])
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        built = Path(folder) / NAME
        command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(built), "."]
        # No C compiler is needed, and the same sources make the same bytes.
        environment = {**os.environ, "CGO_ENABLED": "0"}
        done = _run(command, environment)
        if done.returncode:
            last = "\n".join(done.stderr.strip().splitlines()[-LAST_LINES:])
            raise RigError(
                f"the program was not built; the end of go's output:\n{last}",
                where=str(sources()),
                do="if a module could not be downloaded, see GOPROXY in: go help environment",
            )
        built.replace(target)
    return target, True


def _run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=sources(), env=environment, capture_output=True, text=True, timeout=BUILD_WITHIN, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RigError(f"the build did not end: {reason(error)}", where=str(sources()), do="see: go version") from error


def _go_version() -> str:
    found = re.search(r"^go (\d+\.\d+)", (sources() / "go.mod").read_text("utf-8"), re.MULTILINE)
    return f"{found[1]} or newer" if found else "the newest"


def _cache() -> Path:
    """The repository's own; the user's, where the harness is installed elsewhere."""
    if (beside := data_folder(".cache")).parent.joinpath("pyproject.toml").is_file():
        return beside / "apiserver"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wasmbed" / "apiserver"

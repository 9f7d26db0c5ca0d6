"""The gateways in Go, ``tests/gateways/go``: built once for their sources, into ``.cache``, as the API server is."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from harness.stack.options import StackOptions
from tests.gateways.commands import described

__all__ = ["GO_SOURCES", "go_gateway", "with_go_gateway"]

GO_SOURCES = Path(__file__).with_name("go")
CACHE = Path(__file__).parents[2] / ".cache" / "gateways"
BUILD_WITHIN = 600.0
"""Seconds: the first build compiles Go's own library too."""
TABLE = """
command = ["{program}", "-listen", "{{listen}}", "-advertise", "{{advertise}}", "-name", "{{name}}",
  "-tls-cert", "{{certificate}}", "-tls-key", "{{key}}", "-client-ca", "{{ca}}", "-kubeconfig", "{{kubeconfig}}",
  "-heartbeat", "{{heartbeat_interval}}s", "-beat", "{{last_seen_interval}}s"{more}]
ready = {{ line = "^listening on " }}
"""


def go_gateway(name: str = "large") -> Path:
    """The program ``large`` or ``small``. Skips the test, with the reason, where Go or a module is not available."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("a gateway in Go: go is not installed (https://go.dev/dl)")
    digest = hashlib.sha256()
    for file in sorted([*GO_SOURCES.glob("*/*.go"), *GO_SOURCES.glob("go.*")]):
        digest.update(f"{file.relative_to(GO_SOURCES)}\0".encode() + file.read_bytes() + b"\0")
    programs = CACHE / digest.hexdigest()[:16]
    if programs.is_dir():
        return programs / name
    fetched = _go(go, "mod", "download")
    if fetched.returncode:
        pytest.skip(f"a gateway in Go: a module is not available: {fetched.stderr.strip().splitlines()[-1]}")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        built = Path(folder) / "built"
        done = _go(go, "build", "-trimpath", "-buildvcs=false", "-o", f"{built}{os.sep}", "./...")
        assert done.returncode == 0, done.stderr
        with suppress(OSError):  # another process was faster
            built.rename(programs)
    return programs / name


def _go(go: str, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    return subprocess.run(
        [go, *command],
        cwd=GO_SOURCES,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BUILD_WITHIN,
        check=False,
    )


def with_go_gateway(folder: Path, *more: str, system: str = "") -> StackOptions:
    """Options of a stack with the large gateway, started with ``more`` options of its own, in a system of that file."""
    further = "".join(f', "{option}"' for option in more)
    table = TABLE.format(program=go_gateway(), more=further)
    return described(folder, f'{table}system = "{system}"\n' if system else table, "go")

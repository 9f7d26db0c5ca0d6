"""The programs that make and check manifests and images, built with Go: ``python deploy/tools.py [NAME ...]``.

Each lies in ``.cache/tools`` under its name and version, so what was built once is never built again. Exit status 3 if
one cannot be built.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["TOOLS", "find", "missing"]

TOOLS = {
    "kustomize": ("sigs.k8s.io/kustomize/kustomize/v5", "v5.8.1"),
    "kube-score": ("github.com/zegl/kube-score/cmd/kube-score", "v1.20.0"),
    "helm": ("helm.sh/helm/v4/cmd/helm", "v4.3.1"),
    "crane": ("github.com/google/go-containerregistry/cmd/crane", "v0.22.1"),
}
"""The package of each, and the version that is used. The Go checksum database vouches for what it is built from."""

FOLDER = Path(__file__).resolve().parents[1] / ".cache" / "tools"
BUILD_WITHIN = 1800.0
"""Seconds; helm takes about 150 of processor time the first time, the others under 20 each."""


def find(name: str) -> Path:
    """Where the tool is, or would be."""
    return FOLDER / f"{name}-{TOOLS[name][1]}" / name


def missing(*names: str) -> str | None:
    """Why these tools cannot be used, in one line that says how to get them; None where they can."""
    absent = [name for name in names if not find(name).is_file()]
    return f"{', '.join(absent)} not built: run make deploy-tools (needs Go)" if absent else None


def build(name: str) -> str | None:
    """Build the tool if it is not there; returns what went wrong."""
    target = find(name)
    if target.is_file():
        return None
    go = shutil.which("go")
    if go is None:
        return f"{name}: go is not installed"
    package, version = TOOLS[name]
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent.parent) as folder:
        environment = {**os.environ, "CGO_ENABLED": "0", "GOBIN": folder, "GOFLAGS": "-buildvcs=false"}
        command = [go, "install", "-trimpath", "-ldflags=-s -w", f"{package}@{version}"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=BUILD_WITHIN, check=False
        )
        if done.returncode:
            return f"{name}: not built: {done.stderr.strip()[-500:]}"
        target.parent.mkdir(exist_ok=True)
        Path(folder, name).replace(target)
    return None


def main(*names: str) -> int:
    """Build the named tools, or all; returns the exit code."""
    failures = [failure for name in names or TOOLS if (failure := build(name)) is not None]
    for failure in failures:
        print(failure, file=sys.stderr)
    return 3 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

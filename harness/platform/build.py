"""The parts of a platform that are built from the project's sources: firmware for the boards of its emulators, or
images for a cluster. The programs themselves, the report page and the dashboard need no build."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.core.errors import RigError, UsageError
from harness.platform.settings import Settings

__all__ = ["build", "targets"]

_SOURCES = Path(__file__).resolve().parents[2]


def targets(settings: Settings) -> Mapping[str, str]:
    """The targets of ``make`` that these settings need, each with what it makes."""
    if settings.cluster.manifests is not None:
        return {
            "deploy-tools": "kustomize and the tools of images",
            "manifests": "the manifests' resource types",
            "oci": "images of platform and boards",
        }
    return {"boards": "firmware of emulated and native boards"} if settings.emulators.enabled else {}


def build(target: str, sources: Path = _SOURCES) -> None:
    """Make a target, whose output is shown. Raises UsageError without the sources, RigError if it fails."""
    if not (sources / "firmware" / "build.py").is_file() or not (sources / "Makefile").is_file():
        raise UsageError(
            "the harness is installed without its sources", where="platform build", do="build in a clone of the project"
        )
    program = shutil.which("make")
    if program is None:
        raise RigError("make is not installed", where="platform build", do="install GNU make")
    done = subprocess.run([program, "--no-print-directory", "-C", str(sources), target], check=False)
    if done.returncode:
        raise RigError(
            f"make {target} failed with exit code {done.returncode}", where=str(sources), do="see what it said above"
        )

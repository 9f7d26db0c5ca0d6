"""Finds the installed Renode and its version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from functools import cache

from harness.boards.renode.library import has_library

__all__ = ["GET_IT", "MINIMUM", "VARIABLE", "describe", "find_program", "program_version"]

VARIABLE = "RENODE"
MINIMUM = (1, 15)
GET_IT = "install Renode from renode.io and put it on the PATH, or name it in RENODE; see docs/renode.md"
VERSION_WITHIN = 30


def find_program() -> str | None:
    """Return the ``renode`` program: the one that ``RENODE`` names, or the one on the PATH; None if there is none."""
    return shutil.which(os.environ.get(VARIABLE) or "renode")


@cache
def program_version(program: str) -> tuple[int, ...] | None:
    """Return the version that ``renode --version`` prints; None if it prints none."""
    with tempfile.TemporaryDirectory(prefix="wasmbed-renode-") as folder:
        own = {"TMPDIR": folder, "XDG_CONFIG_HOME": folder}
        try:
            output = subprocess.run(
                [program, "--version"],
                capture_output=True,
                text=True,
                check=False,
                timeout=VERSION_WITHIN,
                env=os.environ | own,
                stdin=subprocess.DEVNULL,
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            return None
    found = re.search(r"Renode,? v(?:ersion )?(\d+(?:\.\d+)*)", output)
    return tuple(int(part) for part in found[1].split(".")) if found else None


def describe() -> tuple[str | None, str]:
    """Return why the installed Renode cannot be used (None: it can), and its description for people."""
    program = find_program()
    if program is None:
        if has_library():
            return None, "through pyrenode3"
        named = os.environ.get(VARIABLE)
        return (
            f"{VARIABLE} names {named!r}, which is not a program; {GET_IT}" if named else f"not found: {GET_IT}"
        ), ""
    version = program_version(program)
    if version is None:
        return f"{program} does not start: it printed no version; {GET_IT}", program
    text = ".".join(map(str, version))
    if version < MINIMUM:
        return f"{program} is version {text}, {'.'.join(map(str, MINIMUM))} or newer is needed; {GET_IT}", program
    lacks = "" if has_library() else "; pyrenode3 is not installed, so its monitor is used"
    return None, f"{program}, version {text}{lacks}"

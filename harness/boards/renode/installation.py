"""Which Renode is here, of which version, and what it lacks."""

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
    """The ``renode`` to run: what ``RENODE`` names, or the one on the PATH; None without one."""
    return shutil.which(os.environ.get(VARIABLE) or "renode")


@cache
def program_version(program: str) -> tuple[int, ...] | None:
    """What ``renode --version`` says; None if it does not."""
    with tempfile.TemporaryDirectory(prefix="wasmbed-renode-") as folder:
        own = {"TMPDIR": folder, "XDG_CONFIG_HOME": folder}
        try:
            told = subprocess.run(
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
    found = re.search(r"Renode,? v(?:ersion )?(\d+(?:\.\d+)*)", told)
    return tuple(int(part) for part in found[1].split(".")) if found else None


def describe() -> tuple[str | None, str]:
    """What is wrong with the Renode that is here (None: nothing), and which one it is, for people."""
    program = find_program()
    if program is None:
        if has_library():
            return None, "through pyrenode3"
        named = os.environ.get(VARIABLE)
        return (f"{VARIABLE} names {named!r}, which is no program; {GET_IT}" if named else f"not found: {GET_IT}"), ""
    version = program_version(program)
    if version is None:
        return f"{program} does not tell its version: it does not start; {GET_IT}", program
    told = ".".join(map(str, version))
    if version < MINIMUM:
        return f"{program} is version {told}, {'.'.join(map(str, MINIMUM))} or newer is needed; {GET_IT}", program
    lacks = "" if has_library() else "; without pyrenode3, its monitor is used"
    return None, f"{program}, version {told}{lacks}"

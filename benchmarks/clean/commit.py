"""The commit that a measurement is of."""

from __future__ import annotations

import subprocess
from functools import cache

__all__ = ["present_commit"]


@cache
def present_commit() -> str:
    """The commit of the working tree at the first call; with a plus if product or scenarios differ from it."""
    head = subprocess.run(["git", "rev-parse", "--short=8", "HEAD"], capture_output=True, text=True, check=True)
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "harness", "scenarios"], check=False).returncode
    return head.stdout.strip() + ("+" if changed else "")

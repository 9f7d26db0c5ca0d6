"""Runs Schemathesis, another project's program, which makes the requests that an OpenAPI document describes."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.api.world import World

_FOLDER = Path(sys.prefix, "schemathesis")
"""A folder of its own: it is a plugin of pytest, too, and would be loaded in every run."""
INSTALLED = _FOLDER.exists()
_EXAMPLES = 10
"""For each operation and phase."""


async def schemathesis(world: World, configuration: Path, folder: Path, *options: str) -> tuple[int, str]:
    """Make requests of the server at ``world.url`` as an admin; returns the program's exit code and what it printed."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration),
        "run", f"{world.url}/openapi.json",
        "--header", f"Authorization: Bearer {world.tokens['admin']}",
        "--max-examples", str(_EXAMPLES), "--seed", "1", "--no-color",
        *options,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_FOLDER)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await program.communicate()
    assert program.returncode is not None
    return program.returncode, said.decode()

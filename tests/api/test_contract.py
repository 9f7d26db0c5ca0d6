"""The OpenAPI document says what the server does: Schemathesis, another project's program, makes requests of it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.api.world import World

FOLDER = Path(sys.prefix, "schemathesis")
"""A folder of its own: it is a plugin of pytest, too, and would be loaded in every run."""
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = 10
"""For each operation and phase."""

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="Schemathesis is not installed: make setup")


@pytest.mark.system("schemathesis")
@pytest.mark.settings(rate=1e6, burst=1_000_000)
async def test_schemathesis_finds_nothing(world: World, tmp_path: Path) -> None:
    await world.register("pump-1", phase="Connected", gateway="gateway-1")
    await world.add_gateway("gateway-1")
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION),
        "run", f"{world.url}/openapi.json",
        "--header", f"Authorization: Bearer {world.tokens['admin']}",
        "--exclude-path", "/api/v1/events",
        "--max-examples", str(EXAMPLES), "--seed", "1", "--no-color",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(FOLDER)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await program.communicate()
    assert program.returncode == 0, said.decode()

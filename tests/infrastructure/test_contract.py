"""The OpenAPI document says what the infrastructure service does: Schemathesis makes requests of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.contract import INSTALLED, schemathesis
from tests.api.world import World

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")

pytestmark = pytest.mark.skipif(not INSTALLED, reason="Schemathesis is not installed: make setup")


@pytest.mark.system("schemathesis")
@pytest.mark.settings(rate=1e6, burst=1_000_000)
async def test_schemathesis_finds_nothing(world: World, tmp_path: Path) -> None:
    await world.ask("POST", "/api/v1/certificates", {"subject": "pump-1"}, status=201)
    await world.ask("POST", "/api/v1/secrets", {"name": "wifi", "value": "hidden"}, status=201)
    code, said = await schemathesis(world, CONFIGURATION, tmp_path)
    assert code == 0, said

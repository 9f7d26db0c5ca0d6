"""A board's limits of modules fit into the heap that its image leaves."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "firmware"))

boards, images = (importlib.import_module(f"tools.{name}") for name in ("boards", "images"))
BOARDS: dict[str, Any] = boards.find_boards()
VARIABLES = 8 << 10


@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board.limits["module"]])
def test_the_largest_module_fits(name: str) -> None:
    assert images.Image(BOARDS[name], 1, VARIABLES, "").complaints() == []


@pytest.mark.parametrize(("limit", "value"), [("module", 16 << 10), ("memory", 128 << 10)])
def test_a_limit_that_does_not_fit_is_reported(limit: str, value: int) -> None:
    board = BOARDS["stm32f4-discovery"]
    board = dataclasses.replace(board, limits=board.limits | {limit: value})
    (complaint,) = images.Image(board, 1, VARIABLES, "").complaints()
    assert "131,008 bytes of heap" in complaint
    assert "platforms/stm32f4-discovery/board.toml" in complaint


def test_an_empty_image_is_reported() -> None:
    (complaint,) = images.Image(BOARDS["stm32f4-discovery"], 0, VARIABLES, "").complaints()
    assert "is empty" in complaint

"""A gateway in Go that knows nothing of the harness is brought in by configuration; a verdict blames its defect."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.core.errors import ProductFailure
from harness.stack import Stack, StackOptions
from harness.testing.gateway import check_gateway

SMALL = Path(__file__).with_name("small")
GO = shutil.which("go")
pytestmark = pytest.mark.skipif(GO is None, reason="go is not there: https://go.dev/dl")


@pytest.fixture(scope="module")
def _program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gateway, built without a network: it needs nothing but Go's standard library."""
    program = tmp_path_factory.mktemp("small") / "gateway"
    command = [GO or "go", "build", "-o", str(program), "."]
    subprocess.run(command, cwd=SMALL, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    return program


@pytest.fixture(autouse=True)
def _named(_program: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEWAY_PROGRAM", str(_program))
        yield


def options(name: str) -> StackOptions:
    return StackOptions(gateway=name, gateway_file=SMALL / "harness.toml")


@pytest.mark.parametrize(
    "rule", ["is_trusted_by_boards", "refuses_an_unknown_authority", "is_in_the_record", "dies_without_a_word"]
)
async def test_it_keeps_the_rules(rule: str) -> None:
    outcomes: dict[str, str] = {}
    await check_gateway(options("small"), only=[rule], progress=outcomes.__setitem__)
    assert outcomes == {rule: "passed"}


async def test_a_board_enrolls_and_every_invariant_holds() -> None:
    """Frames and requests of any gateway are in the history, under the names of their parties, and are judged."""
    async with Stack(options("small")) as stack:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected")
        await stack.history.until("Console", source="Gateway", text=lambda line: f"{board.name} enrolls" in line)
        stack.judge()


async def test_a_planted_defect_is_blamed_on_the_gateway() -> None:
    """It answers heartbeats under another message id: the verdict names gateway, frame, and event."""
    async with Stack(options("defective")) as stack:
        await stack.boards.power_on(name="meter")
        acknowledged = await stack.history.until("HeartbeatAcknowledgment", about="meter")
        with pytest.raises(
            ProductFailure, match=r"convicts gateway: gateway replies: .*HeartbeatAcknowledgment"
        ) as caught:
            stack.judge()
        assert f"event {acknowledged.n}" in str(caught.value)
        assert caught.value.party == "gateway"

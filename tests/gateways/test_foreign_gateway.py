"""A gateway in Go that knows nothing of the harness is brought in by configuration; a verdict blames its defect."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.core.errors import ProductFailure
from harness.stack import Stack
from harness.testing.gateway import GATEWAY_CHECKS, check_gateway
from tests.gateways.go_gateway import with_go_gateway
from tests.processes import PYTEST

LACKS = frozenset(
    {
        "pairs_a_device",
        "shuts_out_a_revoked_device",
        "serves_its_http_api",
        "deploys_an_application",
        "reads_its_certificates_again",
    }
)
"""The rules of features that its table does not claim."""


@pytest.mark.parametrize("rule", GATEWAY_CHECKS)
async def test_it_keeps_the_rules_of_its_features(rule: str, tmp_path: Path) -> None:
    outcomes: dict[str, str] = {}
    await check_gateway(with_go_gateway(tmp_path), only=[rule], progress=outcomes.__setitem__)
    assert outcomes == {rule: "left out" if rule in LACKS else "passed"}


async def test_a_board_enrolls_and_every_invariant_holds(tmp_path: Path) -> None:
    """Frames, requests and log lines of any gateway are in the history, each under its party, and are judged."""
    async with Stack(with_go_gateway(tmp_path)) as stack:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected")
        await board.power_off()
        await stack.device(board).until(phase="Disconnected")
        await stack.history.until("Console", source="Gateway", text=lambda line: board.name in line)
        stack.history.follows("device-enrollment")
        stack.judge()


async def test_a_planted_defect_is_blamed_on_the_gateway(tmp_path: Path) -> None:
    """It answers enrollments before the cluster has confirmed them: the verdict names gateway, arrow, and frame.

    Whether the cluster has got the status by then differs from run to run, and with it the arrow that is missing.
    """
    async with Stack(with_go_gateway(tmp_path, "-optimistic")) as stack:
        board = await stack.boards.power_on(name="meter")
        await stack.device(board).until(phase="Connected")
        with pytest.raises(ProductFailure, match=r"x seen +Gateway->>Device: EnrollmentResponse") as caught:
            stack.history.follows("device-enrollment")
        assert caught.value.party == "gateway"
        assert str(caught.value).endswith("convicts gateway")


@pytest.mark.parametrize(
    ("file", "chosen", "passed"),
    [
        ("test_link_faults.py", "takes_the_old_link_for_open", 1),
        ("test_gateway_security.py", "nonce_belongs or message_id or another_id or twin or expired_authority", 5),
    ],
)
def test_scenarios_pass_on_it(file: str, chosen: str, passed: int, tmp_path: Path) -> None:
    """Links that break, and what a gateway has to refuse; it is not judged by settings that it does not take."""
    options = with_go_gateway(tmp_path)
    named = [f"--gateway={options.gateway}", f"--gateway-file={options.gateway_file}", f"--reports={tmp_path}"]
    command = [*PYTEST, f"scenarios/{file}", "-k", chosen, "-q", *named]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{passed} passed" in done.stdout

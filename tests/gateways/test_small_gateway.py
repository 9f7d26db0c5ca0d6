"""The smallest gateway that can be judged: 120 lines that know nothing of the harness, brought in by configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.stack import Stack
from harness.stack.options import StackOptions
from harness.testing.gateway import GATEWAY_CHECKS, check_gateway
from tests.gateways.commands import described
from tests.processes import PYTEST

PROGRAM = Path(__file__).with_name("small_gateway.py")
TABLE = f"""
command = ["{sys.executable}", "{PROGRAM}"]
system = "system.toml"

[gateways.small.environment]
HOST = "{{host}}"
PORT = "{{device_port}}"
ADVERTISE = "{{advertise}}"
NAME = "{{name}}"
HEARTBEAT = "{{heartbeat_interval}}"
BEAT = "{{last_seen_interval}}"
CERTIFICATE = "{{certificate}}"
KEY = "{{key}}"
CA = "{{ca}}"
API = "{{api_url}}/apis/wasmbed.io/v1/namespaces/{{namespace}}/"
API_CA = "{{api_ca}}"
TOKEN = "{{api_token}}"
"""
LACKS = frozenset(
    name
    for name, check in GATEWAY_CHECKS.items()
    if check.features & {"gateway-http", "gateway-pairing", "gateway-reload", "gateway-revocation", "gateway-stop"}
)
"""The rules of features that its table does not claim."""


def small_gateway(folder: Path) -> StackOptions:
    """Options of a stack with it. It says nothing to anybody when it is stopped."""
    (folder / "system.toml").write_text('lacks = ["gateway-stop"]\n', "utf-8")
    return described(folder, TABLE, "small")


def test_it_is_small_and_a_program_of_its_own() -> None:
    text = PROGRAM.read_text("utf-8")
    assert len(text.splitlines()) <= 120
    assert "harness" not in text


@pytest.mark.parametrize("rule", GATEWAY_CHECKS)
async def test_it_keeps_the_rules_of_its_features(rule: str, tmp_path: Path) -> None:
    outcomes: dict[str, str] = {}
    await check_gateway(small_gateway(tmp_path), only=[rule], progress=outcomes.__setitem__)
    assert outcomes == {rule: "left out" if rule in LACKS else "passed"}


@pytest.mark.parametrize("sequence", ["device-enrollment", "heartbeat-and-monitoring", "connection-lost"])
async def test_it_follows_the_diagrams_of_what_it_does(sequence: str, tmp_path: Path) -> None:
    async with Stack(small_gateway(tmp_path).replace(heartbeat=1.0)) as stack:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected")
        for _ in range(3):
            seen = stack.history[-1]
            await stack.history.until("HeartbeatAcknowledgment", about=board.name, after=seen)
        await board.power_off()
        await stack.device(board).until(phase="Disconnected")
        stack.history.follows(sequence)
        stack.judge()


def test_scenarios_run_on_it_as_they_are(tmp_path: Path) -> None:
    """Those that ask for more than it can do are left out, each with the reason."""
    options = small_gateway(tmp_path)
    chosen = ["scenarios/test_connection.py", "-k", "heartbeat or survive", "-q", "-rs", f"--reports={tmp_path}"]
    named = [f"--gateway={options.gateway}", f"--gateway-file={options.gateway_file}"]
    done = subprocess.run([*PYTEST, *chosen, *named], capture_output=True, text=True, timeout=300, check=False)
    assert "3 passed, 2 skipped" in done.stdout, done.stdout
    assert "the system of --gateway=small has no gateway-stop" in done.stdout

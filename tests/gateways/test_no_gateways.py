"""A system without Gateway resources is judged by its devices, and an error says so to a test that asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.core.errors import UsageError
from harness.stack import Stack
from harness.stack.backends import lacking
from tests.gateways.two_phases import two_phases

REGISTRATION = """create("Gateway", NAME, endpoint=env["ADVERTISE"])
"""
SIGNS_OF_LIFE = """server.service_actions = lambda: record(
    f"gateways/{NAME}", phase="Online", lastSeen=now(), lastSeenIntervalMilliseconds=round(1000 * BEAT)
)
"""


async def test_its_devices_come_and_go(tmp_path: Path) -> None:
    options = two_phases(tmp_path, (REGISTRATION, ""), (SIGNS_OF_LIFE, ""))
    system = tmp_path / "system.toml"
    system.write_text(system.read_text("utf-8").replace("Application = false", "Application = false\nGateway = false"))
    crds = tmp_path / "crds.yaml"
    own = [each for each in yaml.safe_load_all(crds.read_text("utf-8")) if each["spec"]["names"]["kind"] == "Device"]
    crds.write_text(yaml.safe_dump_all(own), "utf-8")
    assert lacking(options, ["gateway-fields"]) == "the system of --gateway=small has no gateway-fields"
    async with Stack(options) as stack:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected")
        await board.power_off()
        await device.until(phase="Disconnected")
        await stack.recorded()
        stack.judge()
        stack.history.follows("connection-lost")
        for asked in (lambda: stack.gateway.status, lambda: stack.gateway.resource):
            with pytest.raises(UsageError, match=r'no Gateway resources\n  -> .*requires\("gateway-fields"\)'):
                asked()
        with pytest.raises(UsageError, match=r'no phase Online of a Gateway\n  -> .*requires\("gateway-fields"\)'):
            await stack.gateway.until(phase="Online")

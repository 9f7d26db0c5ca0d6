"""SIGHUP has the gateway's program read its settings file again."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.stack import Stack
from tests.gateways.commands import OURS, described


async def test_settings_are_read_again_and_those_that_need_a_restart_are_told(tmp_path: Path) -> None:
    """The file changes what kinds of devices may enroll, and the sessions, which need a restart; then it is invalid."""
    settings = tmp_path / "settings.toml"
    settings.write_text("retry_after = 0.5\n")
    body = OURS.format(python=sys.executable, name="mine").partition("[gateways.mine.files]")[0]
    body = body.replace("{folder}/settings.toml", str(settings))
    async with Stack(described(tmp_path, body)) as stack:
        settings.write_text('device_types = ["virtual"]\nretry_after = 0.5\nsessions = 5\n')
        await stack.gateway.reload()
        lines = [event.data["text"] for event in stack.history.find("Console", source="Gateway")]
        assert "INFO the settings were read again, changed: device_types" in lines
        assert "WARNING a restart is needed to change sessions" in lines
        board = await stack.mock_board("meter")
        board.send(board.request())
        error = (await board.receive()).message
        assert "mcu" in str(error)
        settings.write_text("retry_afer = 0.5\n")
        await stack.gateway.reload()
        lines = [event.data["text"] for event in stack.history.find("Console", source="Gateway")]
        assert any("the settings were not read again" in line and "settings.toml:1" in line for line in lines)

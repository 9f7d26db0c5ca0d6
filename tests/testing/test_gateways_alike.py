"""The same story has equal histories on the gateway in this process and on the same gateway as a program."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.history import Event
from harness.stack import Stack, StackOptions
from harness.testing.compare import require_alike
from tests.gateways.commands import ours
from tests.gateways.copied import copy_our_gateway


async def played(options: StackOptions, certificate: str) -> list[Event]:
    """Enrollment, deployment, stop, a refused twin, a lost link, and a restart of the gateway; returns the history."""
    async with Stack(options) as stack:
        board = await stack.boards.power_on(name="meter", certificate=certificate)
        device = await stack.device(board).until(phase="Connected")
        application = await stack.deploy("hello", to=board)
        await application.until(phase="Running")
        await application.until_on(device.name, state="running")
        await application.stop()
        await application.until(phase="Stopped")
        await application.delete()
        await application.until_gone()
        stranger = await stack.boards.power_on(name="stranger", certificate="unknown-authority")
        await stack.history.until("TlsRejected")
        await stranger.power_off()
        await board.cut_link()
        await device.until(phase="Disconnected")
        await board.restore_link()
        await device.until(phase="Connected")
        await board.power_off()
        await device.until(phase="Disconnected")
        await stack.observe()
        stack.judge()
        return list(stack.history)


@pytest.mark.parametrize("certificate", ["valid", "request"])
@pytest.mark.parametrize("kind", ["process", "command"])
async def test_the_same_story(kind: str, certificate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_our_gateway(monkeypatch)
    other = ours(tmp_path) if kind == "command" else StackOptions(gateway=kind)
    require_alike(
        await played(StackOptions(), certificate), await played(other, certificate), names=("reference", kind)
    )

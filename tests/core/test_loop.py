"""The front doors use uvloop if it is installed."""

import asyncio
import sys

import pytest

from harness.core.loop import new_runner


async def loop_module() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_uvloop_is_used_if_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_runner() as runner:
        assert runner.run(loop_module()) == "uvloop"
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with new_runner() as runner:
        assert runner.run(loop_module()).startswith("asyncio")

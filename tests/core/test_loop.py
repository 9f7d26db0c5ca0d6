"""The front doors' event loop: the better one where it is there."""

import asyncio
import sys

import pytest

from harness.core.loop import new_runner


async def loop_module() -> str:
    return type(asyncio.get_running_loop()).__module__


def test_uvloop_is_taken_where_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with new_runner() as runner:
        assert runner.run(loop_module()) == "uvloop"
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with new_runner() as runner:
        assert runner.run(loop_module()).startswith("asyncio")

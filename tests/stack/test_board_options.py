"""The options of a new board are the same for pytest and for Robot Framework, and a wrong one is refused by name."""

from __future__ import annotations

import inspect

import pytest

from harness.core.errors import UsageError
from harness.robot_library.boards import BoardKeywords
from harness.stack import Stack, StackOptions
from harness.stack.board_options import BoardOptions, check_options


async def test_an_unknown_option_is_refused_with_the_one_that_was_meant() -> None:
    async with Stack(StackOptions()) as stack:
        with pytest.raises(UsageError, match="unknown option 'nmae'") as caught:
            await stack.boards.power_on(nmae="pump-1")  # type: ignore[call-overload]
        assert "name" in caught.value.do
        assert len(stack.boards) == 0


def test_an_unknown_certificate_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown kind 'golden'"):
        check_options({"certificate": "golden"})


@pytest.mark.parametrize("keyword", [BoardKeywords.power_on_board, BoardKeywords.power_on_boards])
def test_the_keywords_take_no_option_that_the_stack_lacks(keyword: object) -> None:
    taken = set(inspect.signature(inspect.unwrap(keyword)).parameters) - {"self", "kind", "count"}  # type: ignore[arg-type]
    assert taken <= set(BoardOptions.__annotations__)

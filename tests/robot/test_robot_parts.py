"""The smaller parts of the library, and its reference."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.robot_library.arguments import Duration, plain_name, status_of
from harness.robot_library.background import BackgroundRunner
from harness.robot_library.reference import document, write_reference

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("5s", 5), ("500 ms", 0.5), ("1 minute 30 seconds", 90), ("0.5", 0.5), (2, 2), (timedelta(seconds=3), 3)],
)
def test_durations_are_written_as_in_robot(written: object, seconds: float) -> None:
    assert Duration.parse(written) == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["soon", "0s", "-1s", "", "inf", None, ["5s"]])
def test_an_invalid_duration_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValueError, match=r"as in 5s, 200ms"):
        Duration.parse(written)


def test_whole_numbers_in_a_suite_become_numbers() -> None:
    assert status_of({"running": "3", "health": "healthy", "error": None}) == {
        "running": 3,
        "health": "healthy",
        "error": None,
    }


def test_an_unknown_argument_is_not_taken_for_a_name() -> None:
    assert plain_name("pump-1") == "pump-1"
    with pytest.raises(UsageError, match="unknown argument 'colour'"):
        plain_name("colour=red")


def test_the_background_loop_runs_between_calls() -> None:
    ticked = threading.Event()

    async def start() -> str:
        asyncio.get_running_loop().call_later(0.01, ticked.set)
        return threading.current_thread().name

    with BackgroundRunner() as runner:
        assert runner.run(start()) == "wasmbed stack"
        assert ticked.wait(60)


def test_an_error_on_the_background_loop_is_raised_to_the_caller() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with BackgroundRunner() as runner, pytest.raises(KeyError):
        runner.run(fail())


def test_the_reference_of_the_keywords_is_current(tmp_path: Path) -> None:
    write_reference(tmp_path / "keywords.html")
    current = (REPOSITORY / "docs/robot/keywords.html").read_text("utf-8")
    assert (tmp_path / "keywords.html").read_text("utf-8") == current, "make keywords"


def test_the_reference_shows_formatted_text_not_markup() -> None:
    library = document()
    for text in (library.doc, *(keyword.doc for keyword in library.keywords)):
        assert text.startswith(("<p>", "<pre>"))
        assert "``" not in text
        assert "<b>*</b>" not in text
    assert "<code>scope=test</code>" in library.doc


def test_each_keyword_is_documented_and_typed() -> None:
    keywords = document().keywords
    assert len(keywords) > 40
    for keyword in keywords:
        assert keyword.short_doc, keyword.name
        assert keyword.tags, keyword.name
        assert all(argument.type is not None for argument in keyword.args), keyword.name

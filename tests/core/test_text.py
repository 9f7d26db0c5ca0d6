"""Characters that a terminal interprets are escaped."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import ProductFailure, reason
from harness.core.text import printable


def is_interpreted(character: str) -> bool:
    """Whether a terminal interprets it: controls, separators, surrogates, and marks that reorder a line."""
    bidirectional = (
        unicodedata.bidirectional(character)
        in {
            *("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"),
        }
        or character in "\u061c\u200e\u200f"
    )
    return bidirectional or unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs")


def test_every_character_that_a_terminal_interprets_is_escaped() -> None:
    for code in range(0x110000):
        character = chr(code)
        if is_interpreted(character):
            assert printable(character) == character.encode("unicode_escape", "surrogatepass").decode()


@given(st.text(st.characters(exclude_categories=["Cc", "Zl", "Zp", "Cs", "Cf"])))
def test_other_characters_stay_unchanged(text: str) -> None:
    assert printable(text) == text


def test_joined_characters_stay_unchanged() -> None:
    for text in ("\U0001f469\u200d\U0001f4bb", "\u0646\u0645\u06cc\u200c\u062e\u0648", "caf\u00e9", "日本"):
        assert printable(text) == text


@given(st.text())
def test_escaping_twice_changes_nothing(text: str) -> None:
    for lines in (False, True):
        once = printable(text, lines=lines)
        assert printable(once, lines=lines) == once
        once.encode()


def test_line_feeds_and_tabs_stay_in_messages_of_several_lines() -> None:
    assert printable("a\tb\nc\r\n") == "a\\tb\\nc\\r\\n"
    assert printable("a\tb\nc\r\n", lines=True) == "a\tb\nc\\r\n"


def test_errors_hold_nothing_that_is_interpreted() -> None:
    error = ProductFailure("said \x1b[2J\nand more", where="pump\u202e", do="look at \x9b")
    assert str(error) == "pump\\u202e: said \\x1b[2J\nand more\n  -> look at \\x9b"
    assert error.what == "said \x1b[2J\nand more", "a program reads the text unchanged"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (TimeoutError(), "timed out"),
        (ConnectionResetError(), "connection reset error"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError("odd"), "odd"),
        (OSError(111, "Connect call failed ('127.0.0.1', 80)"), "Connect call failed 127.0.0.1:80: Connection refused"),
        (OSError(111, "Connect call failed ('::1', 80, 0, 0)"), "Connect call failed [::1]:80: Connection refused"),
        (ValueError(" "), "value error"),
        (ValueError("no ('pair', 1)"), "no pair:1"),
    ],
)
def test_every_error_gives_a_reason(error: Exception, text: str) -> None:
    assert reason(error) == text

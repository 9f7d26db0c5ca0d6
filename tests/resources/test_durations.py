"""Times as resources spell them."""

from __future__ import annotations

import pytest

from harness.wasmbed.resources.durations import parse_duration


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("30s", 30.0), ("5m", 300.0), ("99h", 356_400.0)])
def test_a_duration_in_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "s", "0s", "-1s", "1.5s", "1m30s", "100h", " 1s", "1s\n", "1d"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="whole number with a unit"):
        parse_duration(text)

"""The language lint finds what docs/style.md tells authors to avoid, and accepts what it tells them to write."""

import re
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
NOT_DETECTED = {"what comes behind", "of its own"}
"""Examples that no pattern can tell from good English."""
EXAMPLES = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs" / "style.md").read_text("utf-8"), re.MULTILINE)[1:]


@pytest.fixture(scope="module")
def lint() -> ModuleType:
    spec = spec_from_loader("plain_english", SourceFileLoader("plain_english", str(ROOT / ".ci" / "plain-english")))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def finds(lint: ModuleType, line: str) -> bool:
    return any(re.search(pattern, line) for pattern in lint.PATTERNS)


@pytest.mark.parametrize("avoid", [example for avoid, _ in EXAMPLES for example in avoid.split("; ")])
def test_an_example_to_avoid_is_found(lint: ModuleType, avoid: str) -> None:
    assert finds(lint, f"# It says: {avoid} here.") == (avoid not in NOT_DETECTED)


@pytest.mark.parametrize("write", [write for _, write in EXAMPLES if write != "---"])
def test_an_example_to_write_is_accepted(lint: ModuleType, write: str) -> None:
    assert not finds(lint, f"# It says: {write}.")


@pytest.mark.parametrize(
    "line",
    [
        '"""What a board does."""',  # plain-english: keep
        "/// Whose turn it is.",  # plain-english: keep
        "/** What the page shows. */",  # plain-english: keep
        "is no WebAssembly binary",  # plain-english: keep
        "It tells of its crash.",  # plain-english: keep
        "The file cannot be had here.",  # plain-english: keep
        "not so within 5 s",  # plain-english: keep
    ],
)
def test_other_bad_patterns_are_found(lint: ModuleType, line: str) -> None:
    assert finds(lint, line)


@pytest.mark.parametrize("line", ["there is no board", "It is no longer used.", "Who is to blame?", "What is next?"])
def test_good_english_is_accepted(lint: ModuleType, line: str) -> None:
    assert not finds(lint, line)

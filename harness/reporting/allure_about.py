"""Allure's files about a whole run: its environment, the categories by blame, and the CI job."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

__all__ = ["CATEGORIES", "write_about"]

_USAGE, _RIG = "UsageError", "(RigError|not run: |NOT RUN: )"
_ANY = r"[\s\S]*"
CATEGORIES: list[tuple[str, str, list[str], str]] = [
    ("Product: the platform or the firmware is wrong", "product", ["failed"], rf"(?!{_ANY}({_USAGE}|{_RIG})){_ANY}"),
    (
        "Rig: the equipment failed, the product was not judged",
        "rig",
        ["skipped", "failed", "broken"],
        f"{_ANY}{_RIG}{_ANY}",
    ),
    ("Usage: the caller's mistake", "usage", ["failed", "broken"], f"{_ANY}{_USAGE}{_ANY}"),
    ("Unknown cause", "unknown", ["broken"], rf"(?!{_ANY}({_USAGE}|{_RIG})){_ANY}"),
]
"""Title, blame, statuses, and a pattern of the message."""


def write_about(results: Path, facts: Mapping[str, Any], *, job: Mapping[str, str] | None = None) -> None:
    """Write ``environment.properties``, ``categories.json``, ``executor.json``, and ``allurerc.json``, which has the
    categories for Allure 3 (``allure generate --config``).

    Raises OSError.
    """
    about = {
        "harness": _version("wasmbed-harness"),
        "python": platform.python_version(),
        "system": platform.platform(),
        **{key: value for key, value in facts.items() if value not in (None, "")},
    }
    results.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{key}={_property(str(value))}\n" for key, value in about.items())
    (results / "environment.properties").write_text(text, encoding="utf-8")
    categories = [
        {"name": name, "matchedStatuses": statuses, "messageRegex": message}
        for name, _, statuses, message in CATEGORIES
    ]
    rules = [{"name": name, "matchers": {"labels": {"blame": f"^{blame}$"}}} for name, blame, _, _ in CATEGORIES]
    _write(results / "categories.json", categories)
    _write(results / "allurerc.json", {"categories": rules})
    if job is not None:
        _write(results / "executor.json", dict(job))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # pragma: no cover
        return "unknown"


def _property(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", " ")


def _write(path: Path, data: object) -> None:
    path.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2))

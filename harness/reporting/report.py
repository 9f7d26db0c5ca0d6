"""The page: everything a run recorded in one file that opens without a network."""

from __future__ import annotations

import base64
import gzip
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from harness.core.errors import UsageError
from harness.core.history import Event
from harness.reporting.runs import TestRecord, read_run

__all__ = ["write_run_report"]


def write_run_report(folder: Path) -> Path:
    """Write ``index.html`` for the run in ``folder`` and return its path.

    The page holds each test's events compressed and unpacks them when the test is opened. Raises UsageError when
    the folder holds no run or cannot be written.
    """
    page = build_page(folder.name, read_run(folder))
    path = folder / "index.html"
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the report cannot be written: {error.strerror}",
            where=str(path),
            do="free the disk or name another folder",
        ) from error
    return path


def build_page(title: str, tests: list[TestRecord]) -> str:
    """The HTML document for ``tests``; styles, script and data are inside."""
    assets = files("harness.reporting") / "page"
    parts = {
        "TITLE": title.replace("&", "&amp;").replace("<", "&lt;"),
        "STYLE": (assets / "page.css").read_text("utf-8"),
        "SCRIPT": (assets / "page.js").read_text("utf-8"),
        "DATA": _script_safe(orjson.dumps({"run": title, "tests": [_test(test) for test in tests]}).decode()),
    }
    page = (assets / "page.html").read_text("utf-8")
    for name, text in parts.items():
        page = page.replace(f"/*{name}*/", text, 1)
    return page


def _test(test: TestRecord) -> dict[str, Any]:
    packed = gzip.compress(orjson.dumps([_row(event) for event in test.events], default=str), 6, mtime=0)
    return {
        "name": test.name,
        "outcome": test.outcome,
        "blame": test.blame,
        "message": test.message,
        "duration": test.duration,
        "rerun": test.rerun,
        "details": test.details,
        "trouble": test.trouble,
        "pictures": test.pictures,
        "count": len(test.events),
        "events": base64.b64encode(packed).decode(),
    }


def _row(event: Event) -> list[Any]:
    return [event.at, event.kind, event.source, event.target, event.name, event.correlation, dict(event.data)]


def _script_safe(text: str) -> str:
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")

"""The page of a run: one HTML file with everything that the run recorded, which opens without a network.

The page is built from ``frontend`` and committed as ``page/page.html``; this module puts the data of a run into it.
"""

from __future__ import annotations

import gc
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, reason
from harness.core.history import Kind
from harness.core.plain_json import encode
from harness.reporting.exercised import Exercised
from harness.reporting.first_cause import first_cause
from harness.reporting.packing import pack_events
from harness.reporting.runs import TestRecord, iterate_run
from harness.reporting.series import series

__all__ = ["build_page", "write_run_report"]

FORMAT = 1
"""The version of the page's data; the page refuses another one."""
AT_ONCE = 50
"""The most tests in one command that runs them again."""
_APART = ("phases", "case")
"""Parts of a result that the page has in another form."""
_RUN, _EVENTS, _TITLE = "<!--RUN-->", "<!--EVENTS-->", "<!--TITLE-->"


def write_run_report(folder: Path, *, command: str = "", trend: Sequence[Mapping[str, Any]] = ()) -> Path:
    """Write ``index.html`` for the run in ``folder`` and return its path.

    ``command`` started the run; the page shows it. ``trend`` are earlier runs, oldest first: ``run``, ``at``,
    ``passed``, ``failed``, ``not_run``, ``skipped``, ``flaky``, ``duration`` and, optionally, ``figures``.

    Raises UsageError if the folder has no run or cannot be written.
    """
    path, part = folder / "index.html", folder / ".index.html"
    tests = iterate_run(folder)
    try:
        with part.open("w", encoding="utf-8", errors="backslashreplace") as file, _uncollected():
            file.writelines(build_page(folder.name, tests, trend, command=command))
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise UsageError(
            f"the report cannot be written: {reason(error)}",
            where=str(path),
            do="free disk space, or name another folder",
        ) from error
    return path


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause the collection of cycles, which looks at all objects of the process again and again. Records have none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def build_page(
    run: str, tests: Iterable[TestRecord], trend: Sequence[Mapping[str, Any]] = (), *, command: str = ""
) -> Iterator[str]:
    """The HTML document of ``run`` in pieces; styles, script and data are inside.

    ``tests`` are read one at a time, so that only one history is in memory.
    """
    title = command or run
    page = (files("harness.reporting") / "page" / "page.html").read_text("utf-8")
    head, rest = page.replace(_TITLE, title.replace("&", "&amp;").replace("<", "&lt;")).split(_EVENTS, 1)
    yield head
    summaries, exercised = [], Exercised()
    for index, test in enumerate(tests):
        opened = _opened(test, exercised)
        summaries.append(_summary(test))
        if test.folder is not None:
            yield _script(f"events-{index}", opened)
    before, after = rest.split(_RUN, 1)
    yield before
    yield _script(
        "run",
        {
            "format": FORMAT,
            "run": run,
            "command": command,
            "tests": summaries,
            "coverage": exercised.rows(),
            "problems": exercised.problems,
            "again": _again(summaries),
            "trend": [dict(row) for row in trend],
        },
    )
    yield after


def _summary(test: TestRecord) -> dict[str, Any]:
    return {
        "name": test.name,
        "title": test.title,
        "outcome": test.outcome,
        "blame": test.blame,
        "message": test.message,
        "duration": test.duration,
        "rerun": test.rerun,
        "details": {name: value for name, value in test.details.items() if name not in _APART},
        "trouble": test.trouble,
        "recorded": test.folder is not None,
        "pictures": list(test.pictures),
        "events": len(test.events),
        "faults": sum(event.kind is Kind.FAULT for event in test.events),
        "boards": len({event.data.get("board") for event in test.events if event.kind is Kind.CONSOLE} - {None}),
    }


def _again(tests: Sequence[Mapping[str, Any]]) -> str | None:
    """A command that runs all tests that did not pass; None if their commands differ in more than the test."""
    try:
        commands = [shlex.split(test["rerun"]) for test in tests if test["outcome"] in ("failed", "not run")]
    except ValueError:  # an unbalanced quotation mark, in a result that another tool wrote
        return None
    kinds = {(*command[:1], *command[2:]) for command in commands}
    if not 1 < len(commands) <= AT_ONCE or len(kinds) > 1 or commands[0][:1] != ["pytest"]:
        return None
    return shlex.join(["pytest", *(command[1] for command in commands), *commands[0][2:]])


def _opened(test: TestRecord, exercised: Exercised) -> dict[str, Any]:
    """The data that the page unpacks when the test is opened. A broken record is noted in ``trouble``."""
    try:
        exercised.add(test)
        packed = pack_events(test.events) | {"cause": first_cause(test)}
        return packed | {"series": series(test.events), "pictures": test.pictures}
    except Exception as error:
        test.trouble.append(f"the events cannot be shown: {type(error).__name__}: {error}")
        test.events.clear()
        return pack_events(()) | {"cause": None, "series": [], "pictures": test.pictures}


def _script(name: str, data: object) -> str:
    text = encode(data).decode()
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return f'<script type="application/json" id="{name}">{safe}</script>\n'

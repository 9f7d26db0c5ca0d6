"""How a run is named: a path, `latest`, `previous`, or a name (or its beginning) in the folder of reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["REPORTS", "RunPath", "find_run"]

REPORTS = Path("reports")
_BACK = {"latest": 1, "previous": 2}


def find_run(text: str, reports: Path = REPORTS) -> Path:
    """The folder of a run, or another path that exists. Raises UsageError with the newest runs."""
    from harness.core.errors import UsageError
    from harness.reporting.retention import runs_in

    back = _BACK.get(text)
    if back is None and Path(text).exists():
        return Path(text)
    runs = runs_in(reports)
    found = runs[-back:][:1] if back and len(runs) >= back else [run for run in runs if run.name.startswith(text)]
    if len(found) != 1:
        some = ", ".join(run.name for run in runs[-5:]) or "none"
        raise UsageError(
            f"{len(found)} runs begin with {text!r}"
            if found
            else f"unknown run {text!r} (only the newest runs are kept)",
            where=str(reports),
            do=f"name an existing run; the newest: {some}",
        )
    return found[0]


class RunPath(click.ParamType[Path]):
    """A path; `latest`, `previous`, and names of runs in ``reports`` become the run's folder."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path as it is if it is neither; then the command says what is wrong with it."""
        if isinstance(value, Path):
            return value
        if value in _BACK or (value and not Path(value).exists() and _is_beginning(value)):
            return find_run(value)
        return Path(value)


def _is_beginning(text: str) -> bool:
    """Whether a run in the reports may be meant: runs are named by their time."""
    return text[:4].isdigit() and "/" not in text

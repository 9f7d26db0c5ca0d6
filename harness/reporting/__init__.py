"""Reports: everything that is made from the histories and results in a run's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.reporting.report import write_run_report

__all__ = ["write_run_report"]


def __getattr__(name: str) -> Any:
    """Import the page's builder on first use, so that the front doors start without it."""
    if name == "write_run_report":
        from harness.reporting.report import write_run_report

        return write_run_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""What a run leaves behind for people: made from the histories alone, so that it can be made again at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.reporting.report import write_run_report

__all__ = ["write_run_report"]


def __getattr__(name: str) -> Any:
    """Load the page's maker on first use: the front doors need the rest of this room long before."""
    if name == "write_run_report":
        from harness.reporting.report import write_run_report

        return write_run_report
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

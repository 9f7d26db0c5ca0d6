"""What a run leaves behind for people: made from the histories alone, so that it can be made again at any time."""

from harness.reporting.report import write_run_report

__all__ = ["write_run_report"]

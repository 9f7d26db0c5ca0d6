"""What must hold in any history, whatever the test was about. Judges events alone: live, or a file years later."""

from harness.invariants.rules import RULES, Violation, find_violations, judge

__all__ = ["RULES", "Violation", "find_violations", "judge"]

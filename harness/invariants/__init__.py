"""What must hold in any history, whatever the test was about. Judges events alone: live, or a file years later."""

from harness.invariants.invariant import Invariant, Party, Violation
from harness.invariants.judgement import RULES, Judgement, describe, find_violations, judge

__all__ = ["RULES", "Invariant", "Judgement", "Party", "Violation", "describe", "find_violations", "judge"]

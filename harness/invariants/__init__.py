"""Rules that hold in every history; they judge events alone, live or from a file."""

from harness.invariants.invariant import Invariant, Party, Violation
from harness.invariants.judgement import RULES, Judgement, describe, find_violations, judge

__all__ = ["RULES", "Invariant", "Judgement", "Party", "Violation", "describe", "find_violations", "judge"]

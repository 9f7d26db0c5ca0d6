"""Parts of diagrams that show nothing: arrows that no history exercised, and diagrams that accept any history.

A judge that cannot fail is worse than none, because people rely on it. So each arrow of each diagram has to be seen in
some history that follows it, and each diagram has to refuse some history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import chain

from harness.core.history import Event
from harness.sequences.coverage import coverage
from harness.sequences.flows import Sequence
from harness.sequences.matcher import Letter, Matcher, Possible

__all__ = ["accepts_anything", "vacuous"]


def accepts_anything(sequence: Sequence) -> bool:
    """Whether every history of its events is a word of the diagram, as far as any two events in a row can show it."""
    matcher = sequence.matcher
    letters = [Letter(1 << number, 0.0) for number, _ in chain.from_iterable(sequence.symbols.values())]
    possible = [matcher.start]
    for _ in range(2):
        if not all(_may_end(matcher, each) for each in possible):
            return False
        possible = [matcher.step(each, letter) for each in possible for letter in letters]
    return all(_may_end(matcher, each) for each in possible)


def _may_end(matcher: Matcher, possible: Possible) -> bool:
    return bool(possible) and matcher.accepting(possible) is not None


def vacuous(sequences: Iterable[Sequence], histories: Iterable[Iterable[Event]]) -> list[str]:
    """Return a line for each diagram that accepts anything, and for each arrow that no history exercised.

    An arrow of a part counts whichever of the sequences that refer to it exercised it. Diagrams that are pending are
    left out.
    """
    ready = [sequence for sequence in sequences if not sequence.pending]
    problems = [f"{each.name}: accepts any history of its events" for each in ready if accepts_anything(each)]
    seen: Counter[tuple[str, int, str]] = Counter()
    for history in chain([()], histories):
        events = list(history)
        present = {(event.source, event.target, event.name) for event in events}
        concerned = [each for each in ready if not events or not present.isdisjoint(each.events)]
        for arrow in coverage(concerned, events).arrows:
            seen[arrow.origin, arrow.line, arrow.arrow] += arrow.seen
    never = [key for key, count in seen.items() if not count]
    return problems + [f"{origin}, line {line}: never exercised: {arrow}" for origin, line, arrow in never]

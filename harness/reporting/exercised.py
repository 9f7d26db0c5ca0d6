"""The coverage of sequences: how often the histories of a run contain each arrow."""

from __future__ import annotations

from collections import Counter
from typing import Any

from harness.core.errors import UsageError
from harness.reporting.runs import TestRecord
from harness.sequences import catalogue
from harness.sequences.behaviour import BoundArrow
from harness.sequences.coverage import STOPPING, taken

__all__ = ["Exercised"]


class Exercised:
    """Counts, test by test, how often each arrow of the catalogue occurred. ``problems`` lists what is not counted."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._sequences, broken = catalogue()
        self._seen = {sequence.name: Counter[int]() for sequence in self._sequences}
        for name, error in broken.items():
            self.problems.append(f"{name} is not in the sequence coverage: {error.where}: {error.what}")

    def add(self, test: TestRecord) -> None:
        """Count the events of ``test``."""
        if not self._sequences or not test.events:
            return
        places: dict[tuple[str, str, str], list[int]] = {}
        for place, event in enumerate(test.events):
            places.setdefault((event.source, event.target, event.name), []).append(place)
        stopping = next((event.n for event in reversed(test.events) if event.name == STOPPING), None)
        try:
            for sequence in self._sequences:
                own = sorted(place for key in sequence.events for place in places.get(key, ()))
                if own:
                    self._seen[sequence.name] += taken(sequence, [test.events[place] for place in own], stopping)
        except UsageError as error:
            self.problems.append(f"{test.name} is not in the sequence coverage: {error.what}")

    def rows(self) -> list[dict[str, Any]]:
        """One row for each sequence: name, title, reason why it is pending (or None), and ``[line, arrow, count]``.

        The line is text; that of an arrow in a part begins with the part's name.
        """
        return [
            {
                "name": sequence.name,
                "title": sequence.title,
                "pending": sequence.pending or None,
                "arrows": [
                    [_where(arrow, sequence.name), str(arrow), self._seen[sequence.name][arrow.position]]
                    for arrow in sequence.arrows
                ],
            }
            for sequence in self._sequences
        ]


def _where(arrow: BoundArrow, name: str) -> str:
    return str(arrow.arrow.line) if arrow.origin == name else f"{arrow.origin}:{arrow.arrow.line}"

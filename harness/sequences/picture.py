"""Draws a verdict: the whole diagram with marks, beside the actual events."""

from __future__ import annotations

from dataclasses import replace

from harness.sequences.bindings import event_types
from harness.sequences.canvas import LINE, Canvas, document
from harness.sequences.folding import fold
from harness.sequences.layout import ArrowMark
from harness.sequences.recorder import arrow_of, recorded_items
from harness.sequences.svg import Panel, draw
from harness.sequences.tree import Diagram, Item, Participant
from harness.sequences.verdict import InstanceVerdict, Mismatch, SequenceVerdict
from harness.sequences.words import letters, path, run

__all__ = ["verdict_picture"]

_EDGE, _TOP = 16.0, 64.0
_NEAR = 6
"""The number of events before and after the failure that are drawn one by one; others are folded into loops."""


def verdict_picture(verdict: SequenceVerdict) -> str:
    """A stand-alone SVG of the first failure, or without failures of the first instance."""
    sequence = verdict.sequence
    shown = next((instance for instance in verdict.instances if not instance.ok), None)
    shown = shown or next(iter(verdict.instances), None)
    if shown is None:
        marks = {position: ArrowMark("unreached") for position in range(len(sequence.arrows))}
        panels = [(f"expected: {sequence.name}", draw(sequence.diagram, marks))]
        message = str(verdict).splitlines()[0]
    else:
        panels = [
            (f"expected: {sequence.name}", _expected(verdict, shown)),
            (f"seen: {shown.instance}", _seen(verdict, shown)),
        ]
        message = str(verdict).splitlines()[0] if shown.finding is None else shown.finding.text
    return _compose(f"{sequence.title}: {message}", panels)


def _compose(title: str, panels: list[tuple[str, Panel]]) -> str:
    canvas = Canvas()
    canvas.text(0, "title", _EDGE, 26, title, "start")
    x = _EDGE
    for heading, panel in panels:
        canvas.text(0, "soft", x + 8, _TOP - 14, heading, "start")
        canvas.rect(0, "frame", x, _TOP - 4, panel.width, panel.height + 8, 6)
        canvas.add(0, f'<g transform="translate({x:.1f},{_TOP:.1f})">\n{panel.content}\n</g>')
        x += panel.width + _EDGE
    height = _TOP + max(panel.height for _, panel in panels) + _EDGE + LINE
    return document(max(x, len(title) * 8.7 + 2 * _EDGE), height, title, str(canvas))


def _expected(verdict: SequenceVerdict, shown: InstanceVerdict) -> Panel:
    """The diagram: seen arrows plain, the expected ones marked, and unreached ones faint."""
    sequence = verdict.sequence
    word = shown.events if shown.place is None else shown.events[: shown.place]
    steps = run(sequence, letters(sequence, shown.instance, word))
    seen = set(path(sequence, steps))
    marks = {position: ArrowMark("unreached") for position in range(len(sequence.arrows)) if position not in seen}
    marks |= {position: ArrowMark("hint", "expected") for position in shown.expected}
    if shown.finding:
        badge = shown.finding.mismatch.value
        marks |= {
            position: ArrowMark("bad", badge, ghost=shown.finding.mismatch is Mismatch.MISSING)
            for position in shown.finding.arrows
        }
    return draw(sequence.diagram, marks)


def _seen(verdict: SequenceVerdict, shown: InstanceVerdict) -> Panel:
    """The events, folded where they are far from the failure, with missing ones as ghosts."""
    arrows = [arrow_of(event, event_types()) for event in shown.events]
    place = len(arrows) if shown.place is None else shown.place
    finding = shown.finding
    odd = place if finding is None or finding.event is None else finding.event
    first, last = max(min(place, odd) - _NEAR, 0), max(place, odd) + _NEAR
    items = recorded_items(fold(arrows[:first]), counted=True)
    marks: dict[int, ArrowMark] = {}
    drawn = len(Diagram(tuple(items)).arrows)
    for index in range(first, min(last, len(arrows) + 1)):
        if index == place and finding and finding.mismatch is Mismatch.MISSING:
            for position in finding.arrows:
                items.append(verdict.sequence.arrows[position].arrow)
                marks[drawn] = ArrowMark("bad", "missing", ghost=True)
                drawn += 1
        elif index == odd and not shown.ok:
            marks[drawn] = ArrowMark("bad", finding.mismatch.value if finding else "here")
        items += arrows[index : index + 1]
        drawn += 1
    items += recorded_items(fold(arrows[last:]), counted=True)
    return draw(Diagram((*_participants(verdict.sequence.diagram, items), *items)), marks)


def _participants(diagram: Diagram, items: list[Item]) -> list[Participant]:
    """The participants with titles and in the order of the diagram, so that both panels look alike."""
    seen = {name for arrow in Diagram(tuple(items)).arrows for name in (arrow.source, arrow.target)}
    return [replace(each, created=False) for each in diagram.participants if each.name in seen]

"""Draws a sequence diagram: columns for participants, rows for messages, notes, and fragments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.sequences.canvas import CHARACTER, LINE, Canvas, document
from harness.sequences.layout import (
    INSET,
    MARGIN,
    SELF,
    ArrowMark,
    Column,
    arrow_lines,
    badge_width,
    box_label,
    columns,
    text_width,
    wrapped,
)
from harness.sequences.tree import (
    Activation,
    Arrow,
    Autonumber,
    Box,
    Destroy,
    Diagram,
    Fragment,
    Note,
    Participant,
    Visit,
    plain,
    walk,
)

__all__ = ["Panel", "draw", "render_svg"]

_HEAD = 34.0
_REVERSE = ("/", "\\")
_GROUND, _FRAMES, _LIFELINES, _ACTIVE, _FRONT = range(5)


@dataclass(frozen=True, slots=True)
class Panel:
    """A drawn diagram, as a part of a picture."""

    width: float
    height: float
    content: str


def render_svg(diagram: Diagram, marks: Mapping[int, ArrowMark] | None = None) -> str:
    """A stand-alone SVG of ``diagram``; ``marks`` are by the arrow's position in the text, from 0."""
    panel = draw(diagram, marks or {})
    return document(panel.width, panel.height, diagram.title or "sequence diagram", panel.content)


def draw(diagram: Diagram, marks: Mapping[int, ArrowMark]) -> Panel:
    """Draw without the SVG element around it."""
    return _Drawing(diagram, marks).panel()


@dataclass
class _Frame:
    fragment: Fragment
    top: float
    left: float
    right: float


def _spread(form: str) -> tuple[float, float]:
    """The extent of an arrow's tip above and below the line; a half arrow has it on one side."""
    if not any(mark in form for mark in ("|", "//", "\\\\")):
        return 4.0, 4.0
    return (4.0, 0.0) if ("\\" in form) != form.startswith(_REVERSE) else (0.0, 4.0)


class _Drawing:
    def __init__(self, diagram: Diagram, marks: Mapping[int, ArrowMark]) -> None:
        self._diagram, self._marks = diagram, marks
        self._canvas = Canvas()
        self._columns, self._width = columns(diagram, marks)
        self._number: tuple[float, float] | None = None
        self._creating: set[str] = set()
        self._destroying: set[str] = set()
        self._position = 0
        self._y = 0.0

    def panel(self) -> Panel:
        if not self._columns:
            return Panel(MARGIN * 2, MARGIN * 2, "")
        self._heads()
        frames: list[_Frame] = []
        for visit, item, index in walk(self._diagram.items):
            if isinstance(item, Fragment):
                self._fragment(visit, item, index, frames)
            else:
                self._item(item)
        self._y += 10
        for column in self._columns.values():
            end = self._y if column.end is None else column.end
            self._canvas.line(_LIFELINES, "lifeline", column.x, column.start, column.x, end)
            while column.active:
                self._end_activation(column, self._y)
        return Panel(self._width, self._y + MARGIN / 2, str(self._canvas))

    def _heads(self) -> None:
        boxes = [item for item in self._diagram.items if isinstance(item, Box) and item.participants]
        self._y = MARGIN + (LINE + 4 if any(box.label for box in boxes) else 0)
        tallest = max(len(column.lines) for column in self._columns.values())
        height = _HEAD + (tallest - 1) * LINE
        for box in boxes:
            members = [self._columns[participant.name] for participant in box.participants]
            left = min(column.x - column.width / 2 for column in members) - 8
            right = max(column.x + column.width / 2 for column in members) + 8
            self._canvas.rect(_GROUND, "group", left, self._y - LINE - 6, right - left, height + LINE + 12)
            self._canvas.text(_GROUND, "soft", (left + right) / 2, self._y - 7, box_label(box.label))
        created = {
            item.name for _, item, _ in walk(self._diagram.items) if isinstance(item, Participant) and item.created
        }
        for column in self._columns.values():
            column.start = self._y + height
            if column.participant.name not in created:
                self._head(column, self._y, height)
        self._y += height + 12

    def _head(self, column: Column, top: float, height: float) -> None:
        radius = height / 2 if column.participant.actor else 4
        self._canvas.rect(_FRONT, "head", column.x - column.width / 2, top, column.width, height, radius)
        y = top + height / 2 - (len(column.lines) - 1) * LINE / 2 + 4
        for index, line in enumerate(column.lines):
            self._canvas.text(_FRONT, "name", column.x, y + index * LINE, line)

    # Rows.

    def _item(self, item: object) -> None:
        match item:
            case Arrow():
                self._arrow(item)
            case Note():
                self._note(item)
            case Activation(name, active):
                column = self._columns[name]
                if active:
                    column.active.append(self._y)
                elif column.active:
                    self._end_activation(column, self._y)
            case Autonumber(start, step, visible):
                self._number = (float(start or 1), float(step or 1)) if visible else None
            case Participant(name, created=True):
                self._creating.add(name)
            case Destroy(name):
                self._destroying.add(name)
            case _:
                pass

    def _arrow(self, arrow: Arrow) -> None:
        mark = self._marks.get(self._position)
        self._position += 1
        source, target = self._columns[arrow.source], self._columns[arrow.target]
        lines = arrow_lines(arrow.text)
        own = source is target
        top = self._y
        text_height = len(lines) * LINE if any(lines) else 0
        line_y = top + 8 + (LINE if own else text_height)
        height = max(text_height + 22, SELF + 16) if own else text_height + 20
        if target.participant.name in self._creating:
            self._creating.discard(target.participant.name)
            self._head(target, line_y - _HEAD / 2, _HEAD)
            target.start = line_y + _HEAD / 2
            height += _HEAD / 2
        if mark:
            self._canvas.open(_FRONT, f"{mark.style}{' ghost' if mark.ghost else ''}")
            self._band(mark, source, target, lines, top, height)
        ends = self._line(arrow, source, target, line_y)
        self._texts(lines, ends, top, own, badge_width(mark) / 2)
        if self._number:
            self._figure(ends[0], line_y)
        if mark:
            self._canvas.close(_FRONT)
        self._y = top + height
        self._after(arrow, source, target, line_y)

    def _band(
        self, mark: ArrowMark, source: Column, target: Column, lines: list[str], top: float, height: float
    ) -> None:
        left, right = min(source.x, target.x), max(source.x, target.x)
        width = max(right - left, text_width(lines) + 20 if left == right else 0)
        if mark.style in ("bad", "hint"):
            self._canvas.rect(_FRONT, "band", left - 8, top - 1, width + 16, height - 2)
        if mark.badge:
            size = badge_width(mark) - 6
            self._canvas.rect(_FRONT, "pill", left - 4, top + 1, size, 16, 8)
            self._canvas.text(_FRONT, "badge", left - 4 + size / 2, top + 13, mark.badge)

    def _line(self, arrow: Arrow, source: Column, target: Column, y: float) -> tuple[float, float]:
        form = arrow.form
        style = "stroke dotted" if "--" in form else "stroke"
        if source is target:
            x, far = source.x, source.x + SELF
            self._canvas.path(_FRONT, style, f"M{x:.1f},{y:.1f} H{far:.1f} V{y + 22:.1f} H{x + 2:.1f}")
            self._tip(form, x, y + 22, -1)
            return x, far
        direction = 1 if target.x > source.x else -1
        near = source.x + 4 * direction * bool(source.active)
        far = target.x - 4 * direction * bool(target.active)
        if target.participant.name not in self._columns or target.start > y:
            far = target.x - direction * target.width / 2
        self._canvas.line(_FRONT, style, near, y, far, y)
        if not form.startswith(_REVERSE):
            self._tip(form, far, y, direction)
        if form.startswith(("<<", *_REVERSE)):
            self._tip(form, near, y, -direction)
        for centre, column in ((arrow.source_centre, source), (arrow.target_centre, target)):
            if centre:
                self._canvas.add(_FRONT, f'<circle class="tip" cx="{column.x:.1f}" cy="{y:.1f}" r="4"/>')
        return near, far

    def _tip(self, form: str, x: float, y: float, direction: int) -> None:
        back = x - 8 * direction
        above, below = _spread(form)
        wings = f"M{back:.1f},{y - above:.1f} L{x:.1f},{y:.1f} L{back:.1f},{y + below:.1f}"
        if form.endswith("x"):
            middle = x - 5 * direction
            cross = f"M{middle - 4:.1f},{y - 4:.1f} l8,8 m0,-8 l-8,8"
            self._canvas.path(_FRONT, "stroke", cross)
        elif form.endswith(")") or "//" in form or "\\\\" in form:
            self._canvas.path(_FRONT, "stroke", wings)
        elif ">>" in form or "|" in form:
            self._canvas.path(_FRONT, "tip", f"{wings} Z")

    def _texts(self, lines: list[str], ends: tuple[float, float], top: float, own: bool, shift: float) -> None:
        for index, line in enumerate(lines):
            style = "soft" if index else "name"
            y = top + 12 + index * LINE
            if own:
                self._canvas.text(_FRONT, style, ends[1] + 8, y + 8, line, "start")
            else:
                self._canvas.text(_FRONT, style, (ends[0] + ends[1]) / 2 + shift, y, line)

    def _figure(self, x: float, y: float) -> None:
        assert self._number is not None
        value, step = self._number
        text = f"{value:g}"
        width = max(16.0, len(text) * 5.5 + 6)
        self._canvas.rect(_FRONT, "number", x - width / 2, y - 8, width, 16, 8)
        self._canvas.text(_FRONT, "figure", x, y + 3, text)
        self._number = (value + step, step)

    def _after(self, arrow: Arrow, source: Column, target: Column, y: float) -> None:
        if arrow.activation == "+":
            target.active.append(y)
        elif arrow.activation == "-" and source.active:
            self._end_activation(source, y)
        for column in (source, target):
            if column.participant.name in self._destroying:
                self._destroying.discard(column.participant.name)
                column.end = y
                self._canvas.path(_FRONT, "stroke", f"M{column.x - 6:.1f},{y - 6:.1f} l12,12 m0,-12 l-12,12")

    def _end_activation(self, column: Column, y: float) -> None:
        start = column.active.pop()
        x = column.x - 4 + 4 * len(column.active)
        self._canvas.rect(_ACTIVE, "active", x, start, 8, max(y - start, 4), 1)

    def _note(self, note: Note) -> None:
        lines = wrapped(note.text)
        width, height = text_width(lines) + 20, len(lines) * LINE + 10
        places = [self._columns[name].x for name in note.participants]
        left, right = min(places), max(places)
        if left != right:
            width = max(width, right - left + 60)
        centre = (left + right) / 2
        if note.placement == "right of":
            centre = right + 12 + width / 2
        elif note.placement == "left of":
            centre = left - 12 - width / 2
        self._canvas.rect(_FRONT, "note", centre - width / 2, self._y + 2, width, height, 2)
        for index, line in enumerate(lines):
            self._canvas.text(_FRONT, "plain", centre, self._y + 19 + index * LINE, line)
        self._y += height + 12

    # Fragments.

    def _fragment(self, visit: Visit, fragment: Fragment, index: int, frames: list[_Frame]) -> None:
        if visit is Visit.ENTER:
            frames.append(self._enter(fragment, len(frames)))
        elif visit is Visit.SECTION:
            frame = frames[-1]
            self._y += 6
            self._canvas.line(_FRAMES, "divider", frame.left, self._y, frame.right, self._y)
            label = plain(fragment.sections[index].label)[0]
            if label:
                self._canvas.text(_FRONT, "guard", frame.left + 10, self._y + 15, f"[{label}]", "start")
            self._y += LINE + 10 if label else 8
        else:
            frame = frames.pop()
            self._y += 6
            style, layer = ("tint", _GROUND) if fragment.kind == "rect" else ("frame", _FRAMES)
            self._canvas.rect(layer, style, frame.left, frame.top, frame.right - frame.left, self._y - frame.top)
            self._y += 10

    def _enter(self, fragment: Fragment, depth: int) -> _Frame:
        margin = MARGIN / 2 + depth * INSET
        frame = _Frame(fragment, self._y, margin, self._width - margin)
        if fragment.kind == "rect":
            self._y += 8
            return frame
        label = plain(fragment.sections[0].label)[0]
        kind = fragment.kind.replace("_", " ")
        width = (len(kind) + 2) * CHARACTER + 6
        self._canvas.path(
            _FRONT,
            "tab",
            f"M{frame.left:.1f},{frame.top:.1f} h{width:.1f} v12 l-6,7 H{frame.left:.1f} Z",
        )
        self._canvas.text(_FRONT, "name", frame.left + width / 2 - 2, frame.top + 14, kind)
        if label:
            shown = label if fragment.kind == "ref" else f"[{label}]"
            self._canvas.text(_FRONT, "guard", frame.left + width + 10, frame.top + 14, shown, "start")
        self._y += LINE + 14
        return frame

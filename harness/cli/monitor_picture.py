"""The picture that ``wasmbed monitor`` draws: what is worst comes first, and each object has one line."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.cli.output import cell
from harness.cli.resources import COLOURS

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from harness.wasmbed.resources.api import Object

__all__ = ["KEPT", "Chosen", "ordered", "picture"]

KEPT = 1000
"""Console lines that the screen keeps."""
SMALLEST = 16
"""Lines of a screen that has everything."""
WIDE = 78
"""Characters of a screen that has all columns."""
HELP = "↑↓ choose  / filter  l console  o f x r power  q quit"
ORDER = ("Failed", "Error", "Offline", "Unreachable", "PartiallyRunning", "Unknown", "Disconnected")
"""Phases with problems, the worst first; then those on the way, then the good ones."""


@dataclass(slots=True)
class Chosen:
    """The choices of somebody at the screen: the device under the cursor, a filter, whether it is being typed, the
    console of a device, and what came of the last key."""

    device: str = ""
    filter: str = ""
    types: bool = False
    console: str = ""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT))
    notice: str = ""


def ordered(objects: Iterable[Object], filter: str = "") -> list[Object]:
    """The worst first, then in natural order: pump-2 before pump-10. ``filter``: a text in name, phase or error."""
    wanted = filter.lower()

    def text(item: Object) -> str:
        status = item.get("status") or {}
        return f"{item['metadata']['name']} {_phase(item)} {status.get('error') or ''}".lower()

    return sorted((item for item in objects if wanted in text(item)), key=_rank)


def _rank(item: Object) -> tuple[int, bool, list[tuple[int, str]]]:
    phase = _phase(item)
    good = COLOURS.get(phase) == "green"
    worst = ORDER.index(phase) if phase in ORDER else len(ORDER) + good
    unwell = (item.get("status") or {}).get("health") in (None, "healthy")
    parts = [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", item["metadata"]["name"])]
    return worst, unwell, parts


def _phase(item: Object) -> str:
    return str((item.get("status") or {}).get("phase", "Pending"))


def picture(
    gateways: Iterable[Object],
    devices: Iterable[Object],
    applications: Iterable[Object],
    width: int,
    height: int,
    chosen: Chosen | None = None,
    age: str = "",
    lost: str = "",
) -> RenderableType:
    """The screen in at most ``height`` lines of ``width`` characters: a ``lost`` connection, gateways, applications,
    numbers, devices around the cursor, and the ``age``; or the console of the chosen device."""
    from rich.console import Group

    chosen = chosen or Chosen()
    last = chosen.notice or age
    end = [_line(f"{last}  {HELP}" if width >= len(last) + len(HELP) + 2 else last, "dim"), _line(HELP, "dim")]
    end = end[: 1 if width >= len(last) + len(HELP) + 2 else 2]
    parts: list[RenderableType] = [_line(lost, "bold red")] if lost else []
    if chosen.console:
        shown = list(chosen.lines)[-max(height - 2 - len(parts), 1) :]
        lines = [_line(line) for line in shown]
        return Group(*parts, _line(f"console of {chosen.console}; q goes back", "bold"), *lines)
    room = max(height, SMALLEST) - len(parts) - len(end) - 1
    for heading, objects, most in (("gateway", gateways, room // 6), ("application", applications, room // 4)):
        rows = ordered(objects, chosen.filter if heading == "application" else "")
        table = _table(heading, rows[: max(most, 1)], width)
        hidden = len(rows) - max(most, 1)
        parts += [table, *([_line(f"and {hidden} more", "dim")] if hidden > 0 else [])]
        room -= min(len(rows), max(most, 1)) + 1 + (hidden > 0)
    everything = list(devices)
    parts.append(_numbers(everything, chosen))
    rows = ordered(everything, chosen.filter)
    room -= 2  # the heading, and the line below
    names = [row["metadata"]["name"] for row in rows]
    at = names.index(chosen.device) if chosen.device in names else 0
    first = min(max(at - room // 2, 0), max(len(rows) - room, 0))
    parts.append(_table("device", rows[first : first + room], width, names[at] if names else ""))
    above, below = first, max(len(rows) - first - room, 0)
    if above or below:
        parts.append(
            _line(
                " and ".join(f"{count} more {where}" for count, where in ((above, "above"), (below, "below")) if count),
                "dim",
            )
        )
    return Group(*parts, *end)


def _numbers(devices: Sequence[Object], chosen: Chosen) -> RenderableType:
    from rich.text import Text

    numbers = Text("devices: ", no_wrap=True, overflow="ellipsis")
    for phase, number in Counter(map(_phase, devices)).most_common():
        numbers.append_text(cell(f"{number} {phase}  ", COLOURS.get(phase, "")))
    if chosen.filter or chosen.types:
        numbers.append_text(cell(f"filter: {chosen.filter}{'_' if chosen.types else ''}", "bold"))
    return numbers


def _table(heading: str, rows: Sequence[Object], width: int, cursor: str = "") -> Table:
    """One line for each object, with the columns that the width has room for."""
    from rich.table import Table

    from harness.cli.rows import application_row, device_row, gateway_row

    is_wide = width >= WIDE
    more = {
        "gateway": {"devices": 8, "endpoint": 21},
        "application": {"running": 12, "failed": 8},
        "device": {"gateway": 12, "last beat": 9},
    }
    table = Table(box=None, pad_edge=False, width=width)
    table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("phase", no_wrap=True, overflow="ellipsis", width=16 if is_wide else 12)
    columns = list(more[heading].items())[: 2 if is_wide else 1]
    for name, room in columns:
        table.add_column(name, no_wrap=True, overflow="ellipsis", width=room)
    table.add_column("error", no_wrap=True, overflow="ellipsis", ratio=3)
    for item in rows:
        if heading == "gateway":
            gateway = gateway_row(item)
            error, cells = gateway["error"], [str(gateway["connectedDevices"]), gateway["endpoint"]]
        elif heading == "application":
            application = application_row(item)
            error = application["error"]
            cells = [f"{application['running']}/{application['target']}", str(application["failed"])]
        else:
            device = device_row(item)
            error, cells = device["error"], [device["gateway"], _time(device["lastHeartbeat"])]
        name, phase = item["metadata"]["name"], _phase(item)
        texts = [cell(name), cell(phase, COLOURS.get(phase, "")), *map(cell, cells[: len(columns)]), cell(error)]
        table.add_row(*texts, style="reverse" if name == cursor else None)
    return table


def _time(stamp: str | None) -> str:
    """The time of day of a timestamp."""
    return (stamp or "").partition("T")[2].partition(".")[0]


def _line(text: str, style: str = "") -> Text:
    line = cell(text, style)
    line.no_wrap, line.overflow = True, "ellipsis"
    return line

"""Text from outside - devices, histories, cluster objects, peers - made safe to show on a terminal and in a log.

Control characters move the cursor, clear the screen, and retitle the window. Bidirectional ones reorder a line, so that
it reads differently from what it says. Both are replaced by Python's escapes: ``\\x1b``, ``\\u202e``. The replacement
is for people: it cannot be reversed, since a text may already contain a backslash.
"""

from __future__ import annotations

import re

__all__ = ["printable"]

_CONTROLS = (
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1 (ECMA-48)
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, embeddings, overrides, isolates (UAX #9)
    "\u2028\u2029"  # line and paragraph separator
    "\ufeff\ufff9-\ufffb\U000e0001\U000e0020-\U000e007f"  # invisible: byte order mark, annotations, tags
    "\ud800-\udfff"  # surrogates, which no encoding can write
)
_IN_ONE_LINE = re.compile(f"[{_CONTROLS}]")
_IN_LINES = re.compile(f"(?![\t\n])[{_CONTROLS}]")


def printable(text: str, *, lines: bool = False) -> str:
    """``text`` with every character escaped that a terminal interprets.

    Tabs and line feeds are escaped too, so that a value stays within its line of a table or a log. With ``lines`` they
    are kept, for messages of several lines.
    """
    return (_IN_LINES if lines else _IN_ONE_LINE).sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode("ascii")

"""The page about the differences: written from the results of a run, the same text for the same results."""

from __future__ import annotations

from collections.abc import Sequence

from tests.clusters.differential.answers import Difference
from tests.clusters.differential.requests import Theme
from tests.clusters.differential.run import Compared, Results

__all__ = ["alike_percent", "page"]

_SHOWN, _LONGEST = 3, 160
_HEAD = """\
# Differences from Kubernetes

How the embedded API server's answers differ from those of a real kube-apiserver. `make kube-diff` sends the requests in
`tests/clusters/differential/themes` to both and writes this page; a test fails if the page is not what a run gives. The
real server gets every request twice, and what it answers differently by itself is left out. Names, times, versions and
UIDs are not compared, nor is the order of a refusal's causes. Nor are descriptions: every kind and most fields have a
sentence of our own for `kubectl explain`, the other fields and the columns of Tables have none.

"""


def alike_percent(results: Results) -> float:
    """The share of requests that both servers answer alike."""
    compared = [one for theme in results.values() for one in theme]
    return 100.0 * sum(not one.differences for one in compared) / max(1, len(compared))


def page(themes: Sequence[Theme], results: Results) -> str:
    """The text of ``docs/reference/kubernetes-differences.md``."""
    lines = ["| theme | requests | alike | different |", "|---|---:|---:|---:|"]
    total = alike = 0
    for theme in themes:
        compared = results[theme.name]
        same = sum(not one.differences for one in compared)
        lines.append(f"| {theme.title} | {len(compared)} | {same} | {len(compared) - same} |")
        total, alike = total + len(compared), alike + same
    lines.append(f"| all | {total} | {alike} ({alike_percent(results):.1f} %) | {total - alike} |")
    sections = [_section(theme, results[theme.name]) for theme in themes]
    return _HEAD + "\n".join(lines) + "\n" + "".join(section for section in sections if section)


def _section(theme: Theme, compared: Sequence[Compared]) -> str:
    different = [one for one in compared if one.differences]
    if not different:
        return ""
    lines = [
        f"\n## {theme.title}\n",
        "| request | where | kube-apiserver | embedded | reason |",
        "|---|---|---|---|---|",
    ]
    for one in different:
        request = one.request
        name = f"{request.name}: `{request.method} {_cell(request.path)}`"
        reason = request.stays or "not done yet"
        for difference in one.differences[:_SHOWN]:
            lines.append(_row(name, difference, reason))
            name = reason = ""
        if len(one.differences) > _SHOWN:
            lines.append(f"| | and {len(one.differences) - _SHOWN} more | | | |")
    return "\n".join(lines) + "\n"


def _row(name: str, difference: Difference, reason: str) -> str:
    shown = [f"`{_cell(text)}`" if text else "absent" for text in (difference.real, difference.embedded)]
    return f"| {name} | `{difference.path}` | {shown[0]} | {shown[1]} | {reason} |"


def _cell(text: str) -> str:
    text = text.replace("|", "\\|").replace("`", "'").replace("\n", " ")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

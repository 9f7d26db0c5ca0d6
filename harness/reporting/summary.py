"""The summary of a run as Markdown, for a CI job, a chat or a pull request."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from harness.core.text import printable
from harness.reporting.runs import TestRecord, cluster_seconds

__all__ = ["OUTCOMES", "TOLD", "counts_in_words", "plain", "summarize"]

OUTCOMES = ("failed", "not run", "unexpected pass", "passed", "expected failure", "skipped")
"""Outcomes, the most important ones first."""
DETAILED = 25
"""The most tests with details; the others are named."""
LISTED = 200
MESSAGE = 4000
"""Characters of a message; a job's page holds 1 MiB in total."""
SLOWEST = 5
TOLD = 0.5
"""Seconds from which on the cluster's share is shown: a cluster in the test's own process takes milliseconds."""
_WHOSE = {"product": "the product", "rig": "the rig", "usage": "the caller"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def summarize(run: str, tests: Iterable[TestRecord], *, flaky: Sequence[str] = (), note: str = "") -> str:
    """The summary of ``run``: counts; failed and not-run tests with blame and command; the slowest tests.

    ``flaky`` are names of tests; ``note`` is one more line, such as the path of the report.
    """
    records = list(tests)
    lines = [f"## {_mark(records)} {plain(run)}: {counts_in_words(record.outcome for record in records)}", ""]
    bad = [record for outcome in ("failed", "not run") for record in records if record.outcome == outcome]
    if bad:
        blames = Counter(_whose(record) for record in bad)
        lines += [f"To blame: {', '.join(f'{name} {count}' for name, count in blames.most_common())}.", ""]
    for record in bad[:DETAILED]:
        lines += _details(record)
    if rest := bad[DETAILED:]:
        lines += ["Without details:", "", *(f"- {_code(record.name)}" for record in rest[:LISTED]), ""]
        if more := len(rest) - LISTED:
            lines += [f"and {more} more.", ""] if more > 0 else []
    if flaky:
        named = ", ".join(_code(name) for name in flaky[:LISTED])
        lines += [f"Flaky (both passed and failed with the same sources and options): {named}", ""]
    lines += _slowest(records)
    if note:
        lines += [note, ""]
    return "\n".join(lines)


def counts_in_words(outcomes: Iterable[str]) -> str:
    """``2 failed, 70 passed``: the outcomes that occurred, in the order of :data:`OUTCOMES`."""
    found = Counter(outcomes)
    known = [*OUTCOMES, *sorted(set(found) - set(OUTCOMES))]
    return ", ".join(f"{found[outcome]} {outcome}" for outcome in known if found[outcome]) or "no test"


def plain(text: str) -> str:
    """``text`` without colours and with other control characters escaped; line feeds and tabs stay."""
    return printable(_COLOUR.sub("", text.replace("\r\n", "\n")), lines=True)


def _mark(records: Sequence[TestRecord]) -> str:
    outcomes = {record.outcome for record in records}
    return "❌" if "failed" in outcomes else "⚠️" if "not run" in outcomes or not records else "✅"


def _whose(record: TestRecord) -> str:
    return _WHOSE.get(record.blame or "", "unknown cause")


def _details(record: TestRecord) -> list[str]:
    head = f"{record.outcome} (to blame: {_whose(record)})" if record.blame else record.outcome
    message = plain(record.message).strip() or "; ".join(record.trouble) or "(no message)"
    if len(message) > MESSAGE:
        message = message[:MESSAGE] + f"\n... {len(message) - MESSAGE} more characters, in the report"
    lines = [f"<details><summary>{head}: <code>{escape(plain(record.name))}</code></summary>", ""]
    if record.title:
        lines += [escape(plain(record.title)), ""]
    lines += _fenced(message)
    if record.rerun:
        lines += ["Run this test again:", "", *_fenced(plain(record.rerun), "sh")]
    return [*lines, "</details>", ""]


def _slowest(records: Sequence[TestRecord]) -> list[str]:
    slow = sorted(records, key=lambda record: -record.duration)[:SLOWEST]
    if not slow:
        return []
    rows = [f"| {_code(record.name).replace('|', chr(92) + '|')} | {record.duration:.2f} s |" for record in slow]
    total = sum(record.duration for record in records)
    of_cluster = sum(map(cluster_seconds, records))
    share = f", {of_cluster:.1f} s of it for the cluster" if of_cluster >= TOLD else ""
    return [f"| slowest of {len(records)} tests | {total:.1f} s in total{share} |", "|---|---:|", *rows, ""]


def _fenced(text: str, language: str = "text") -> list[str]:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text) or [""]))
    return [f"{fence}{language}", text, fence, ""]


def _code(text: str) -> str:
    text = plain(text).replace("\n", " ")
    ticks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{ticks} {text} {ticks}" if "`" in text else f"`{text}`"

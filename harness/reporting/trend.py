"""The trend of runs, a row for each run in ``trend.jsonl``, and the tests that are flaky.

A test is **flaky** if it both passed and failed with the same sources and the same options: in attempts of one run, or
in this run and an earlier one. Tests that were not run or skipped do not count. Another seed or tier is another option.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from harness.core.plain_json import encode
from harness.reporting.runs import TestRecord

__all__ = ["FILE", "Figures", "alike", "flake_rate", "pass_rate", "public_row", "read_figures", "trend_row"]

FILE = "trend.jsonl"
JUDGED = ("passed", "failed")
EXPECTED = ("expected failure", "unexpected pass")
BESIDE = frozenset(
    {"reports", "keep", "profile", "summary", "annotations", "modules", "kubeconfig", "deadline", "record"}
)
"""Options about paths and waiting times, which do not change what is tested."""
FLAKY_NAMES = 20
IN_COMMON = 0.8
"""The share of tests by which two runs are comparable: a suite that grows stays so, one test of it is not."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figures:
    """The benchmarks' ratios to their peers, and when they were measured."""

    measured: str
    ratios: dict[str, float]


def trend_row(
    run: str,
    tests: Iterable[TestRecord],
    earlier: Sequence[Mapping[str, Any]],
    *,
    at: datetime,
    source: str | None = None,
    figures: Figures | None = None,
) -> Row:
    """The row of one run: counts, ``duration`` (seconds of judged tests), ``flaky`` and ``flaky_tests``, ``boards``.

    ``source`` names the state of the sources (see :func:`harness.reporting.trend_source.source_state`); without it
    nothing is compared with ``earlier``. ``figures`` are omitted if an earlier row has them.
    """
    counts: Counter[str] = Counter()
    ended: dict[str, dict[str, list[str]]] = {}
    tiers: set[str] = set()
    duration, both = 0.0, set()
    for test in tests:
        counts[test.outcome] += 1
        options: Mapping[str, Any] = test.details.get("options") or {}
        tiers.add(str(options.get("boards") or ""))
        if test.outcome in JUDGED:
            duration += test.duration
            ended.setdefault(_digest(options), {}).setdefault(test.outcome, []).append(test.name)
            if set(JUDGED) <= {test.outcome, *(test.details.get("attempts") or ())}:
                both.add(test.name)
    flaky = sorted(both | (_changed(ended, source, earlier) if source else set()))
    row: Row = {
        "run": run,
        "at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        **{outcome.replace(" ", "_"): counts[outcome] for outcome in (*JUDGED, "not run", "skipped")},
        **{outcome.replace(" ", "_"): counts[outcome] for outcome in EXPECTED if counts[outcome]},
        "flaky": len(flaky),
        "duration": round(duration, 3),
        "boards": sorted(tiers - {""}),
        "flaky_tests": flaky[:FLAKY_NAMES],
        "source": source,
        "tests": ended,
    }
    known = [line["figures_at"] for line in earlier if line.get("figures_at")]
    if figures is not None and figures.measured not in known:
        row |= {"figures": figures.ratios, "figures_at": figures.measured}
    return row


def read_figures(path: Path) -> Figures | None:
    """The ratios in ``bench.json``; None if the file is absent or is not a list of figures."""
    try:
        measured = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
        found = orjson.loads(path.read_bytes())
        ratios = {str(figure["name"]): float(figure["ratio"]) for figure in found if figure.get("ratio") is not None}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Figures(measured, ratios) if ratios else None


def public_row(row: Mapping[str, Any]) -> Row:
    """The fields of ``row`` that are shown; the others serve to find flaky tests."""
    return {key: value for key, value in row.items() if key not in ("tests", "source", "figures_at")}


def pass_rate(row: Mapping[str, Any]) -> float | None:
    """The share of judged tests that passed, 0 to 1; None if none was judged."""
    return _share(row, "passed")


def flake_rate(row: Mapping[str, Any]) -> float | None:
    """The share of judged tests that are flaky, 0 to 1; None if none was judged."""
    return _share(row, "flaky")


def alike(rows: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The rows in groups whose runs are comparable: on the same boards, with at least :data:`IN_COMMON` of their judged
    tests in common with the group's newest run. The group of the newest run comes last."""
    groups: list[list[Mapping[str, Any]]] = []
    for row in reversed(list(rows)):
        mine = next((group for group in groups if _are_alike(group[0], row)), None)
        if mine is None:
            groups.append([row])
        else:
            mine.append(row)
    return [group[::-1] for group in reversed(groups)]


def _are_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if list(one.get("boards") or ()) != list(other.get("boards") or ()):
        return False
    first, second = _judged(one), _judged(other)
    return len(first & second) >= IN_COMMON * len(first | second)


def _judged(row: Mapping[str, Any]) -> set[str]:
    ended = (row.get("tests") or {}).values()
    return {name for outcomes in ended for names in outcomes.values() for name in names}


def _share(row: Mapping[str, Any], of: str) -> float | None:
    judged = sum(int(row.get(outcome) or 0) for outcome in JUDGED)
    return int(row.get(of) or 0) / judged if judged else None


def _changed(
    ended: Mapping[str, Mapping[str, list[str]]], source: str, earlier: Sequence[Mapping[str, Any]]
) -> set[str]:
    """Tests of ``ended`` with the opposite outcome in an earlier run with the same sources and options."""
    found: set[str] = set()
    for line in earlier:
        if line.get("source") != source:
            continue
        for digest, outcomes in (line.get("tests") or {}).items():
            mine = ended.get(digest, {})
            for one, other in (JUDGED, JUDGED[::-1]):
                found |= set(mine.get(one, ())) & set(outcomes.get(other, ()))
    return found


def _digest(options: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in options.items() if key not in BESIDE}
    return sha256(encode(kept, sort_keys=True)).hexdigest()[:12]

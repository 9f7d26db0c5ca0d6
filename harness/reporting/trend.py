"""How runs went over time: one line a run in ``trend.jsonl``, and which tests cannot make up their mind.

**Flaky** is a test that both passed and failed with the same sources and the same options: in attempts of one run, or
in this run and an earlier one. What was not run or skipped says nothing about that. Other sources, another tier or
another seed are not the same.
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

__all__ = ["FILE", "Figures", "by_boards", "flake_rate", "pass_rate", "public_row", "read_figures", "trend_row"]

FILE = "trend.jsonl"
JUDGED = ("passed", "failed")
EXPECTED = ("expected failure", "unexpected pass")
BESIDE = frozenset(
    {"reports", "keep", "profile", "summary", "annotations", "modules", "kubeconfig", "deadline", "record"}
)
"""Options that say where things are and how long to wait, not what is tested."""
FLAKY_NAMES = 20

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
    """The line for one run: counts, ``duration`` (seconds of tests that were judged), ``flaky`` and who, ``boards``.

    ``source`` names the state of the sources (see :func:`harness.reporting.trend_source.source_state`); without it
    nothing is compared with ``earlier``. ``figures`` are left out when an earlier line has them already.
    """
    counts: Counter[str] = Counter()
    told: dict[str, dict[str, list[str]]] = {}
    tiers: set[str] = set()
    duration, torn = 0.0, set()
    for test in tests:
        counts[test.outcome] += 1
        options: Mapping[str, Any] = test.details.get("options") or {}
        tiers.add(str(options.get("boards") or ""))
        if test.outcome in JUDGED:
            duration += test.duration
            told.setdefault(_digest(options), {}).setdefault(test.outcome, []).append(test.name)
            if set(JUDGED) <= {test.outcome, *(test.details.get("attempts") or ())}:
                torn.add(test.name)
    flaky = sorted(torn | (_changed(told, source, earlier) if source else set()))
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
        "tests": told,
    }
    known = [line["figures_at"] for line in earlier if line.get("figures_at")]
    if figures is not None and figures.measured not in known:
        row |= {"figures": figures.ratios, "figures_at": figures.measured}
    return row


def read_figures(path: Path) -> Figures | None:
    """The ratios in ``bench.json``; None when there is no such file or it is no list of figures."""
    try:
        measured = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
        found = orjson.loads(path.read_bytes())
        ratios = {str(figure["name"]): float(figure["ratio"]) for figure in found if figure.get("ratio") is not None}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Figures(measured, ratios) if ratios else None


def public_row(row: Mapping[str, Any]) -> Row:
    """``row`` without what is kept only to find flaky tests: what is drawn and shown."""
    return {key: value for key, value in row.items() if key not in ("tests", "source", "figures_at")}


def pass_rate(row: Mapping[str, Any]) -> float | None:
    """Passed of those that were judged, 0 to 1; None where nothing was."""
    return _share(row, "passed")


def flake_rate(row: Mapping[str, Any]) -> float | None:
    """Flaky of those that were judged, 0 to 1; None where nothing was."""
    return _share(row, "flaky")


def by_boards(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows that can be compared with each other, by the boards that they ran on: ``"qemu, virtual"``."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(", ".join(map(str, row.get("boards") or ())), []).append(row)
    return groups


def _share(row: Mapping[str, Any], of: str) -> float | None:
    judged = sum(int(row.get(outcome) or 0) for outcome in JUDGED)
    return int(row.get(of) or 0) / judged if judged else None


def _changed(
    told: Mapping[str, Mapping[str, list[str]]], source: str, earlier: Sequence[Mapping[str, Any]]
) -> set[str]:
    """Tests of ``told`` that ended the other way in an earlier run of the same sources with the same options."""
    found: set[str] = set()
    for line in earlier:
        if line.get("source") != source:
            continue
        for digest, outcomes in (line.get("tests") or {}).items():
            mine = told.get(digest, {})
            for one, other in (JUDGED, JUDGED[::-1]):
                found |= set(mine.get(one, ())) & set(outcomes.get(other, ()))
    return found


def _digest(options: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in options.items() if key not in BESIDE}
    return sha256(encode(kept, sort_keys=True)).hexdigest()[:12]

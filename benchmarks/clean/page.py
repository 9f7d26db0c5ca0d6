"""The page of the clean histories: two tables, whose rows are kept when others are added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.clean.worth import SUITE

__all__ = ["RANDOM", "SUITES", "write_rows"]

SUITES, RANDOM = "## All scenarios", "## Random runs"
_COLUMNS = {
    SUITES: ("date", "commit", "boards", "suites", "scenarios judged", "with a verdict"),
    RANDOM: ("date", "commit", "boards", "histories", "devices", "events", "worth, runs of all", "with a verdict"),
}
_WORDS = {
    SUITES: """`python -m benchmarks.clean.suites` runs all scenarios in virtual time, each time with another seed and
another order of what is ready. Every scenario is judged as in any other run. A suite is one run of all scenarios.
""",
    RANDOM: f"""`python -m benchmarks.clean` draws boards, applications, faults and their order from a seed, in virtual
time unless other boards are named; invariants judge each history, sequences do not. A run follows one of three recipes:

- *fleet*: 8 to 40 boards and more that come later. Links and power go and come back, Devices are deleted so that their
  boards enroll again, gateways end and begin, boards with an expired certificate or an unknown type keep trying.
  Devices that are driven by hand connect, say nothing, send what is not a frame, enroll, repeat a nonce, beat under an
  unknown id, or ask for a certificate without a token, and leave. There are no applications.
- *applications*: one to three boards, and up to 100 applications that are deployed, stopped, started, replaced and
  deleted one upon the other, some of them with modules that trap or cannot be loaded.
- *mixed*: both, each eighth run.

In each, requests of the platform fail, watches end, and events of watches come in another order. The next run has the
recipe that makes most of the kind of which there is least. Runs of commits up to c11339bf are all mixed.

What histories are worth is counted by kinds: of each, they have as many times what one run of all scenarios has, and
the least of these numbers counts.
What only scenarios have (other refused certificates, pairing, revocation, mock gateways, other mock boards) is not in
it. What one run of all scenarios has of each:

| {" | ".join(SUITE)} |
|{"---:|" * len(SUITE)}
| {" | ".join(f"{number:,}" for number in SUITE.values())} |
""",
}
_HEAD = """# Clean histories

`make clean-histories` runs a sound platform. A verdict is false, or it names a fault of ours. `--page` writes the rows
of the present results.
"""


def write_rows(path: Path, table: str, rows: Iterable[Sequence[str]]) -> None:
    """Write the page with these rows of a table, which replace those of the same commit and boards."""
    parts: dict[str, dict[tuple[str, ...], str]] = {SUITES: {}, RANDOM: {}}
    heading = SUITES
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        heading = line if line in parts else heading
        if line.startswith("| 2"):
            parts[heading][tuple(cell.strip() for cell in line.split("|")[2:4])] = line
    for row in rows:
        parts[table][tuple(row[1:3])] = f"| {' | '.join(row)} |"
    text = _HEAD
    for each, found in parts.items():
        columns = _COLUMNS[each]
        head = f"| {' | '.join(columns)} |\n|---|---|---|{'---:|' * (len(columns) - 3)}\n"
        lines = "".join(f"{line}\n" for line in sorted(found.values()))
        text += f"\n{each}\n\n{_WORDS[each]}\n{head}{lines}"
    path.write_text(text, "utf-8")

"""Runs a project's scenarios with one defect on the wire after the other, and keeps what caught each."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.cli.pytest_copies import run_pytest
from harness.core.clock import SystemClock
from harness.core.errors import RigError, UsageError, reason
from harness.gateways.relay.defects import WireDefect, wire_defects
from harness.reporting.catchers import Catch, catches

__all__ = ["CAUGHT", "MISSED", "NOT_EXERCISED", "Outcome", "WireMutation", "table"]

CAUGHT, MISSED, NOT_EXERCISED = "caught", "missed", "not exercised"
_COMMAND = "command:"
_NOTE = '"wire defect"'
_NO_TESTS = 5
"""pytest's exit code when it found none."""
_ENDED = (0, 1, RigError.exit_code)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one defect: caught, missed, or never exercised.

    ``judge`` and ``blamed`` are those of the test that caught it; ``seconds`` is wall time.
    """

    name: str
    what: str
    outcome: str
    test: str = ""
    judge: str = ""
    blamed: str = ""
    words: str = ""
    seconds: float = 0.0

    @property
    def names_the_sender(self) -> bool:
        """Whether the party that is blamed is the end whose message was altered."""
        sender = "board" if self.name.startswith("device.") else "gateway"
        return self.blamed.partition(" ")[0] == sender


class WireMutation:
    """One selection of scenarios against one gateway. Outcomes are kept in ``output``, and a later run with the same
    selection and gateway goes on from there.

    ``gateway`` is a kind, the name of a table, or ``command:`` and a command line. ``time_limit`` is in seconds.
    """

    def __init__(self, gateway: str, selection: Sequence[str], output: Path, time_limit: float) -> None:
        self._selection, self._time_limit = tuple(selection), time_limit
        self._gateway, self._results = gateway, output / "results.jsonl"
        self._output, self._clock = output, SystemClock()
        self._key = {"gateway": gateway, "selection": list(selection)}

    def known(self) -> dict[str, Outcome]:
        """Return the outcomes of earlier runs, by the defect's name. Raises UsageError for a file of another kind."""
        if not self._results.exists():
            return {}
        try:
            head, *lines = map(json.loads, self._results.read_text("utf-8").splitlines())
            return {each["name"]: Outcome(**each) for each in lines} if head == self._key else {}
        except (OSError, ValueError, TypeError, KeyError) as error:
            do = "remove it, or name another folder with --output"
            raise UsageError(f"cannot be read: {reason(error)}", where=str(self._results), do=do) from error

    def check(self) -> None:
        """Run the selection without a defect. Raises UsageError if a test fails, since it would hide every
        defect, and RigError if it cannot run."""
        found = self._run(None)
        if found.judge == "rig":
            raise RigError(found.words, where=f"{found.test} without a defect", do="run it alone to see more")
        if found.outcome == CAUGHT:
            raise UsageError(
                f"{found.test or 'the selection'} fails without a defect: {found.words}",
                where="wasmbed mutate",
                do="mend it, or leave it out of the selection",
            )

    def judge(self, defects: Sequence[WireDefect], known: dict[str, Outcome]) -> Iterator[Outcome]:
        """Judge the defects one by one; each outcome is added to ``known`` and stored before it is yielded."""
        for defect in defects:
            begin = self._clock.now()
            found = self._run(defect.name)
            seconds = round(self._clock.now() - begin, 1)
            known[defect.name] = outcome = replace(found, what=defect.what, seconds=seconds)
            self.store(known)
            yield outcome

    def store(self, known: dict[str, Outcome]) -> None:
        """Write the outcomes and the table. Raises RigError if that fails."""
        outcomes = [known[name] for name in sorted(known)]
        lines = [json.dumps(self._key), *(json.dumps(asdict(each)) for each in outcomes)]
        try:
            self._output.mkdir(parents=True, exist_ok=True)
            self._results.write_text("".join(f"{line}\n" for line in lines), "utf-8")
            (self._output / "wire-mutation.md").write_text(table(outcomes, self._gateway, self._selection), "utf-8")
        except OSError as error:
            do = "free disk space, or name another folder with --output"
            raise RigError(f"cannot be written: {reason(error)}", where=str(self._output), do=do) from error

    def _run(self, defect: str | None) -> Outcome:
        """Run the selection with a defect, or without, up to the first test that fails."""
        name = defect or ""
        option = "--relay=yes" if defect is None else f"--wire-defect={defect}"
        folder = Path(tempfile.mkdtemp(prefix="wasmbed-mutate-"))
        try:
            arguments = ["-q", "-x", "-p", "no:cacheprovider", *self._selection]
            arguments += [*self._gateway_options(folder), option, f"--reports={folder / 'reports'}"]
            code = run_pytest(arguments, _environment(), folder / "output", self._time_limit)
            if code is None:
                words = f"the scenarios did not end within {self._time_limit:g} s"
                return Outcome(name, "", CAUGHT, judge="time limit", words=words)
            return self._outcome(name, folder / "reports", code, (folder / "output").read_text("utf-8", "replace"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _outcome(self, name: str, reports: Path, code: int, output: str) -> Outcome:
        if code == _NO_TESTS:
            raise UsageError("the selection has no tests", where=" ".join(self._selection), do="name some after --")
        catch = _first_catch(reports)
        if code not in _ENDED or (code and catch is None):
            last = "\n".join(output.strip().splitlines()[-12:])
            raise UsageError(
                f"pytest could not run:\n{last}", where="wasmbed mutate", do="correct the arguments after --"
            )
        is_applied = not name or _was_applied(reports)
        if catch is not None and is_applied:
            return Outcome(name, "", CAUGHT, catch.test, catch.judge, catch.blamed, catch.words[:300])
        # Where nothing was altered, a failure says nothing of the defect.
        words = f"{catch.test} fails without it: {catch.words}"[:300] if catch is not None else ""
        return Outcome(name, "", MISSED if is_applied else NOT_EXERCISED, words=words)

    def _gateway_options(self, folder: Path) -> list[str]:
        if not self._gateway.startswith(_COMMAND):
            return [f"--gateway={self._gateway}"]
        path = folder / "gateway.toml"
        command = json.dumps(self._gateway.removeprefix(_COMMAND))  # a TOML string too
        path.write_text(f'[gateways.mutated]\nkind = "command"\ncommand = {command}\n', "utf-8")
        return ["--gateway=mutated", f"--gateway-file={path}"]


def table(outcomes: Sequence[Outcome], gateway: str, selection: Sequence[str]) -> str:
    """Return the page: what was run, the missed defects, those never exercised, those that another end than the sender
    is blamed for, and the judges that caught the others."""
    by = {kind: [each for each in outcomes if each.outcome == kind] for kind in (CAUGHT, MISSED, NOT_EXERCISED)}
    counted = ", ".join(f"{len(found)} {kind}" for kind, found in by.items())
    wrong = [each for each in by[CAUGHT] if not each.names_the_sender]
    blamed = f"The end that sent it is blamed for {len(by[CAUGHT]) - len(wrong)} of the {len(by[CAUGHT])} caught."
    told = f"{len(outcomes)} of the {len(wire_defects())} defects were judged: {counted}"
    lines = ["# Defects on the wire", "", f"Gateway: {gateway}. {told}. {blamed}", ""]
    lines += [f"The scenarios: `{' '.join(selection)}`.", ""]
    for heading, found in ((MISSED, by[MISSED]), (NOT_EXERCISED, by[NOT_EXERCISED]), ("another end blamed", wrong)):
        lines += [f"## {heading.capitalize()}", ""]
        blames = {each.name: f" (blames {each.blamed or 'nobody'})" for each in wrong}
        notes = {each.name: f" ({each.words})" for each in by[NOT_EXERCISED] if each.words} | blames
        lines += [f"- {each.name}: {each.what}{notes.get(each.name, '')}" for each in found] or ["None."]
        lines.append("")
    lines += ["## Caught", "", "| defect | by | test | blamed | seconds |", "|---|---|---|---|---:|"]
    lines += [
        f"| {each.name} | {each.judge} | {each.test} | {each.blamed} | {each.seconds:.0f} |" for each in by[CAUGHT]
    ]
    return "\n".join(lines) + "\n"


def _first_catch(reports: Path) -> Catch | None:
    return next((catch for document in reports.glob("*/junit.xml") for catch in catches(document.parent)), None)


def _was_applied(reports: Path) -> bool:
    """Whether a history says that the defect altered something."""
    for path in reports.glob("**/history.jsonl"):
        with path.open(encoding="utf-8") as lines:
            if any(_NOTE in line for line in lines):
                return True
    return False


def _environment() -> dict[str, str]:
    """The environment without what would change where the run is recorded, or what is printed about it."""
    hidden = ("GITHUB_", "PYTEST_", "WASMBED_REPORTS", "WASMBED_RUN_FOLDER")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}

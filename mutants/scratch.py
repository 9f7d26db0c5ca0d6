"""Copies of the sources in which defects are put: the working tree is never touched."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Self

import pytest

from harness.core.errors import RigError
from mutants.defect import AREAS, SIMULATED, Area, Defect, mutated
from mutants.executed import MEASURED, Executed
from mutants.isolated import UNDECIDED, WITHOUT, Job, Outcome, Task, is_catch
from mutants.swap import can_swap

__all__ = ["Result", "Scratch", "digest"]

COPIED = ("harness", "mutants", "scenarios", "platforms", "conftest.py", "pyproject.toml", "harness.toml")
TOGETHER = 2
"""Scenarios at the same time: those in virtual time do not wait."""
DEADLINE = "400s"
"""The time of a test's body: more than its waits, which name a party when their time is over."""
MEASURED_AT_ONCE = 60
"""Scenarios of which the measurement is kept together: one that is stopped goes on behind the last of them."""
LIMIT = 200.0
"""Seconds after which a scenario is killed."""
CATCHERS = (
    ("invariant", r"what must always hold|^invariants?\b"),
    ("wire", r"wasmbed\.cddl|wire conformance"),
    ("sequence", r"\bsequence [a-z-]+: \d+ of"),
    ("mock", r"^[\w-]+: the (gateway|board) (sent|did not|ended|broke|replied)"),
    ("mock", r"the board (did not )?connect|no handshake failed"),
    ("until", r"did not reach|can no longer reach|cannot reach|no event |unreachable"),
)


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one defect. ``test`` is the scenario that caught it, ``catcher`` the kind of judge, ``blamed`` the
    party in its verdict; None and empty where none did. ``seconds`` of processor time, of ``ran`` scenarios."""

    name: str
    digest: str
    area: str
    end: str
    caught: bool
    test: str | None
    catcher: str
    blamed: str
    words: str
    seconds: float
    ran: int
    sources: str = ""
    """The digest of harness and scenarios that it was judged on: results of one whole run have the same."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Scratch:
    """One copy, below ``folder``; used by one worker at a time.

    ``output`` has the measurement, and the scenarios that passed without a defect.
    """

    def __init__(self, root: Path, folder: Path, output: Path) -> None:
        self.root, self.folder, self.output = root, folder, output
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in COPIED:
            source = root / name
            if source.is_dir():
                # What is compiled is kept: it is valid as long as the times of the sources are.
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("node_modules"))
            else:
                shutil.copy(source, folder / name)
        ignored = shutil.ignore_patterns("target", ".cache", "__pycache__", "images")
        shutil.copytree(root / "firmware", folder / "firmware", ignore=ignored)
        target = folder.parent / f"{folder.name}-target"
        target.mkdir(exist_ok=True)
        (folder / "firmware" / "target").symlink_to(target)
        self._sources = digest(folder)
        self._executed: Executed | None = None

    @classmethod
    @contextmanager
    def claimed(cls, root: Path, output: Path, purpose: str) -> Iterator[Self]:
        """A copy that no other run uses meanwhile, for one purpose always in the same folders: cargo builds once what
        stays where it is."""
        copies = root / ".cache" / "mutants"
        copies.mkdir(parents=True, exist_ok=True)
        for number in itertools.count():
            with (copies / f"{purpose}-{number}.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield cls(root, copies / f"{purpose}-{number}", output)
                return

    @property
    def executed(self) -> Executed:
        """The measurement; made at the first use, of the scenarios that were not measured before."""
        if self._executed is None:
            path = self.output / "executed.json"
            self.measure(path, anew=False)
            self._executed = Executed.read(path)
        return self._executed

    def measure(self, path: Path, *, anew: bool = True) -> None:
        """Run every scenario without a defect, in virtual time, and keep which lines each executes. Unless ``anew``,
        only those that were not measured before."""
        before = None if anew or not path.exists() else Executed.read(path)
        listed = self._pytest("--collect-only").stdout.splitlines()
        tests = [line for line in listed if "::" in line and (before is None or line not in before.seconds)]
        for start in range(0, len(tests), MEASURED_AT_ONCE):
            task = Task(WITHOUT, tests[start : start + MEASURED_AT_ONCE])
            found = list(self._outcomes([task], SIMULATED, to_the_end=True, measured=[*MEASURED]))
            self._keep_green(found, SIMULATED)
            before = Executed.of(self.folder, found, before)
            before.write(path)

    def judge(self, defects: Sequence[Defect], caught_by: Mapping[str, str]) -> Iterator[Result]:
        """Run for each defect the scenarios that execute it up to the first that fails: first the one that
        ``caught_by`` names, which caught it before, then those of its area.

        A catch counts only if the same scenario passes without the defect. A scenario that hangs, and one that the rig
        did not let run, catch nothing.
        """
        swapped = [each for each in defects if each.file.endswith(".py") and self._can_swap(each)]
        if swapped:
            yield from self._judge_together(swapped, caught_by)
        for defect in defects:
            if defect not in swapped:
                yield self._judge_alone(defect, caught_by)

    def _judge_together(self, defects: Sequence[Defect], caught_by: Mapping[str, str]) -> Iterator[Result]:
        """Judge defects in one interpreter; each result is known as soon as its scenarios have ended."""
        waiting = {each.name: each for each in defects}
        tasks = {
            name: Task(name, self._order(each, caught_by), each.file, mutated(self.folder, each))
            for name, each in waiting.items()
        }
        green = self._known_green(SIMULATED)
        settled, found = set(green), {name: list[dict[str, Any]]() for name in waiting}
        for outcome in self._outcomes(list(tasks.values()), SIMULATED, green=sorted(green)):
            if outcome["task"] == WITHOUT:
                settled.add(outcome["test"])
                self._keep_green([outcome], SIMULATED)
                green |= {outcome["test"]} if outcome["outcome"] == "passed" else set()
            else:
                found[outcome["task"]].append(outcome)
            for name, defect in list(waiting.items()):
                failed = _first_catch(found[name])
                if failed["test"] in settled if failed else len(found[name]) == len(tasks[name].tests):
                    del waiting[name]
                    yield self._result(defect, found[name], green)
        for name, defect in waiting.items():
            yield self._result(defect, found[name], green)

    def _judge_alone(self, defect: Defect, caught_by: Mapping[str, str]) -> Result:
        """Judge a defect that is compiled, or that the import executes."""
        area = AREAS[defect.area]
        task = Task(defect.name, self._order(defect, caught_by))
        with self._defective(defect):
            error = self._build(area)
            found = [] if error else list(self._outcomes([task], area.board))
        failed = _first_catch(found)
        green = self._green(failed["test"], area.board) if failed else set()
        return self._result(defect, found, green, error)

    def _result(
        self, defect: Defect, outcomes: Sequence[Mapping[str, Any]], green: Collection[str], error: str = ""
    ) -> Result:
        failed = _first_catch(outcomes)
        if failed is not None and failed["test"] not in green:
            error, failed = f"{failed['test']} does not pass without the defect", None
        return replace(_result(defect, outcomes, failed, error), sources=self._sources)

    def _order(self, defect: Defect, caught_by: Mapping[str, str]) -> list[str]:
        """The scenarios that could fail, the likeliest and the cheapest first."""
        area = AREAS[defect.area]
        touched = self.executed.touched_by(self.folder, defect)
        places = {f"scenarios/{name}": place for place, name in enumerate(area.first)}

        def key(test: str) -> tuple[int, float]:
            return places.get(test.partition("::")[0], len(places)), self.executed.seconds[test]

        before = caught_by.get(defect.name)
        order = [test for tests in touched for test in sorted(tests, key=key)]
        return sorted(order, key=lambda test: test != before)

    @contextmanager
    def _defective(self, defect: Defect) -> Iterator[None]:
        path = self.folder / defect.file
        original = self._text(defect)
        _write(path, mutated(self.folder, defect))
        try:
            yield
        finally:
            _write(path, original)

    def _build(self, area: Area) -> str:
        """Build the firmware for boards that run it. Returns the compiler's error, which is not a catch."""
        return self._build_firmware() if area.end == "firmware" else ""

    def _build_firmware(self) -> str:
        command = [sys.executable, "firmware/build.py", "native"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        return f"does not build: {done.stderr[-200:]}" if done.returncode else ""

    def _text(self, defect: Defect) -> str:
        return (self.folder / defect.file).read_text("utf-8")

    def _can_swap(self, defect: Defect) -> bool:
        return can_swap(self._text(defect), mutated(self.folder, defect))

    def _known_green(self, board: str) -> set[str]:
        """The scenarios that passed on a board without a defect, with the same sources."""
        path = self.output / "green.jsonl"
        lines = path.read_text("utf-8").splitlines() if path.exists() else []
        return {test for sources, on, test in map(json.loads, lines) if sources == self._sources and on == board}

    def _green(self, test: str, board: str) -> set[str]:
        """Those known to pass on a board, among them the scenario, if it does: it is run unless that is known."""
        green = self._known_green(board)
        if test not in green:
            if board != SIMULATED:
                self._build_firmware()
            self._keep_green(self._outcomes([Task(WITHOUT, [test])], board, to_the_end=True), board)
            green = self._known_green(board)
        return green

    def _keep_green(self, outcomes: Iterable[Mapping[str, Any]], board: str) -> None:
        self.output.mkdir(parents=True, exist_ok=True)
        with (self.output / "green.jsonl").open("a", encoding="utf-8") as file:
            for each in outcomes:
                if each["outcome"] == "passed":
                    file.write(json.dumps([self._sources, board, each["test"]]) + "\n")

    def _outcomes(self, tasks: Sequence[Task], board: str, **job: Any) -> Iterator[dict[str, Any]]:
        """Run the scenarios of each task in their order up to the first that fails; yields each outcome when it is
        known. Raises RigError if they were cut off: the rest was not judged then."""
        reports = self.folder / "reports"
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir()
        path, options = reports / "job.json", [f"--boards={board}", f"--reports={reports}", f"--deadline={DEADLINE}"]
        reading, writing = os.pipe()
        whole = Job(list(tasks), f"/dev/fd/{writing}", options, together=TOGETHER, limit=LIMIT)
        path.write_text(json.dumps(asdict(replace(whole, **job))), "utf-8")
        command, known = self._command("-m", "mutants.isolated", str(path)), False
        with os.fdopen(reading, encoding="utf-8") as pipe, (reports / "said.txt").open("w+", encoding="utf-8") as said:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=said, stderr=subprocess.STDOUT, pass_fds=(writing,)
            )
            os.close(writing)
            try:
                for line in pipe:
                    known = True
                    yield json.loads(line)
                ended = process.wait()
            finally:
                process.terminate()
                process.wait()
            said.seek(0)
            words = said.read()[-300:]
        if ended < 0 or (ended and known) or ended == pytest.ExitCode.USAGE_ERROR:
            do = "run it again: what it had found is kept"
            raise RigError(f"the scenarios were cut off: {words}", where=f"exit code {ended} of {path}", do=do)
        if not known:
            yield from (asdict(Outcome(task.name, task.tests[0], "crash", words)) for task in tasks if task.tests)

    def _pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._python("-m", "pytest", "scenarios", "-q", "-p", "no:cacheprovider", *arguments)

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = self._command(*arguments)
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)

    def _command(self, *arguments: str) -> list[str]:
        """The command that runs Python with the copy's modules before those that are installed."""
        return ["env", f"PYTHONPATH={self.folder}", sys.executable, *arguments]


def _first_catch(outcomes: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    return next((each for each in outcomes if is_catch(each)), None)


def _result(
    defect: Defect, outcomes: Sequence[Mapping[str, Any]], failed: Mapping[str, Any] | None, error: str
) -> Result:
    seconds, ran = round(sum(each["seconds"] for each in outcomes), 1), len(outcomes)
    head = (defect.name, defect.digest, defect.area, AREAS[defect.area].end)
    if failed is None:
        catcher = "unsound" if error else "none" if ran else "not executed"
        undecided = [f"{each['test']}: {each['outcome']}" for each in outcomes if each["outcome"] in UNDECIDED]
        return Result(*head, False, None, catcher, "", error or ", ".join(undecided)[:300], seconds, ran)
    words = failed["message"].strip()
    first = words.splitlines()[0][:300] if words else ""
    blamed = failed["party"] or failed["blame"] or ""
    return Result(*head, True, failed["test"], _catcher(words), blamed, first, seconds, ran)


def _catcher(words: str) -> str:
    return next((name for name, pattern in CATCHERS if re.search(pattern, words, re.MULTILINE)), "assert")


def digest(folder: Path) -> str:
    """Return the digest of the sources that decide what a scenario does."""
    found = hashlib.sha256()
    for path in sorted(each for name in ("harness", "scenarios") for each in (folder / name).rglob("*.*")):
        name = path.relative_to(folder)
        if path.is_file() and not {"__pycache__", "node_modules"} & set(name.parts):
            found.update(str(name).encode() + path.read_bytes())
    return found.hexdigest()[:12]


def _write(path: Path, text: str) -> None:
    """Write a source, and drop what was compiled of it: two versions within a second would look the same."""
    path.write_text(text, "utf-8")
    if path.suffix == ".py":
        Path(cache_from_source(str(path))).unlink(missing_ok=True)

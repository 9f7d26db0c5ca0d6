"""Copies of the sources in which defects are put: the working tree is never touched."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, Self

from harness.core.clock import SystemClock
from mutants.defect import AREAS, Area, Defect, mutated
from mutants.executed import MEASURED, Executed
from mutants.isolated import is_catch

__all__ = ["Result", "Scratch"]

CLOCK = SystemClock()
COPIED = ("harness", "mutants", "scenarios", "platforms", "conftest.py", "pyproject.toml", "harness.toml")
TOGETHER = {"virtual": 4}
"""Scenarios at the same time, by board; elsewhere two."""
LIMIT = 120.0
"""Seconds after which a scenario is killed; the harness ends a test's body before (``--deadline``)."""
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
    party in its verdict; None and empty where none did. ``seconds`` of wall time, ``ran`` scenarios were judged."""

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
    ran: int = 0
    cpu: float = 0.0
    """Processor seconds of its scenarios."""

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
        self._sources = _digest(folder)
        self._executed: Executed | None = None

    @classmethod
    @contextmanager
    def claimed(cls, root: Path, output: Path) -> Iterator[Self]:
        """A copy that no other run uses meanwhile, always in the same folders: cargo builds a folder once."""
        copies = root / ".cache" / "mutants"
        copies.mkdir(parents=True, exist_ok=True)
        for number in itertools.count():
            with (copies / f"{number}.lock").open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield cls(root, copies / str(number), output)
                return

    @property
    def executed(self) -> Executed:
        """The measurement; made at the first use, if there is none."""
        if self._executed is None:
            path = self.output / "executed.json"
            if not path.exists():
                self.measure(path)
            self._executed = Executed.read(path)
        return self._executed

    def measure(self, path: Path) -> None:
        """Run every scenario without a defect, on virtual boards, and keep which lines each executes."""
        listed = self._pytest("--collect-only").stdout.splitlines()
        found = self._run([line for line in listed if "::" in line], "virtual", to_the_end=True, measured=[*MEASURED])
        self._keep_green(found)
        Executed.of(self.folder, found).write(path)

    def judge(self, defect: Defect) -> Result:
        """Run the scenarios that execute the defect, those of its area first, up to the first that fails.

        A catch counts only if the same scenario passes without the defect. A scenario that hangs, and one that the rig
        did not let run, catch nothing.
        """
        area, began = AREAS[defect.area], CLOCK.now()
        left, cpu, ran, failed, unsound = self._order(defect, area), 0.0, 0, None, ""
        while left:
            with self._defective(defect):
                if unsound := self._build(area):
                    break
                outcomes = self._run(left, area.board)
            cpu += sum(each["seconds"] for each in outcomes)
            ran += len(outcomes)
            failed = next((each for each in outcomes if is_catch(each)), None)
            if failed is None or self._is_green(failed["test"], area):
                break
            unsound = f"{failed['test']} fails without the defect too"
            left, failed = [test for test in left if test not in {each["test"] for each in outcomes}], None
        seconds = round(CLOCK.now() - began, 1)
        head = (defect.name, defect.digest, defect.area, area.end)
        if failed is None:
            catcher = "unsound" if unsound else "none" if ran else "not executed"
            return Result(*head, False, None, catcher, "", unsound, seconds, ran, round(cpu, 1))
        words = failed["message"].strip()
        first = words.splitlines()[0][:300] if words else ""
        blamed = failed["party"] or failed["blame"] or ""
        return Result(*head, True, failed["test"], _catcher(words), blamed, first, seconds, ran, round(cpu, 1))

    def _order(self, defect: Defect, area: Area) -> list[str]:
        """The scenarios that could fail, the likeliest and the cheapest first."""
        touched = self.executed.touched_by(self.folder, defect)
        tests = list(self.executed.seconds) if touched is None else touched
        places = {f"scenarios/{name}": place for place, name in enumerate(area.first)}

        def key(test: str) -> tuple[int, float]:
            return places.get(test.partition("::")[0], len(places)), self.executed.seconds[test]

        return sorted(tests, key=key)

    @contextmanager
    def _defective(self, defect: Defect) -> Iterator[None]:
        path = self.folder / defect.file
        original = path.read_text("utf-8")
        _write(path, mutated(self.folder, defect))
        try:
            yield
        finally:
            _write(path, original)

    def _build(self, area: Area) -> str:
        """Build the image of a board that has firmware. Returns the compiler's error, which is not a catch."""
        if area.end != "firmware":
            return ""
        command = [sys.executable, "firmware/build.py", area.board]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        return f"does not build: {done.stderr[-200:]}" if done.returncode else ""

    def _is_green(self, test: str, area: Area) -> bool:
        """Whether a scenario passes without a defect: known of the same sources, or seen now."""
        path = self.output / "green.jsonl"
        key = [self._sources, area.board, test]
        if path.exists() and key in map(json.loads, path.read_text("utf-8").splitlines()):
            return True
        self._build(area)
        found = self._run([test], area.board)
        self._keep_green(found, area.board)
        return [each["outcome"] for each in found] == ["passed"]

    def _keep_green(self, outcomes: Iterable[Mapping[str, Any]], board: str = "virtual") -> None:
        self.output.mkdir(parents=True, exist_ok=True)
        with (self.output / "green.jsonl").open("a", encoding="utf-8") as file:
            for each in outcomes:
                if each["outcome"] == "passed":
                    file.write(json.dumps([self._sources, board, each["test"]]) + "\n")

    def _run(self, tests: Sequence[str], board: str, **job: Any) -> list[dict[str, Any]]:
        """Run scenarios in this order up to the first that fails, and return their outcomes."""
        reports = self.folder / "reports"
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir()
        outcomes = reports / "outcomes.jsonl"
        options = [f"--boards={board}", f"--reports={reports}", "--deadline=60s"]
        together = TOGETHER.get(board, 2)
        whole = {"tests": tests, "output": str(outcomes), "options": options, "together": together, "limit": LIMIT}
        (reports / "job.json").write_text(json.dumps({**whole, **job}), "utf-8")
        done = self._python("-m", "mutants.isolated", str(reports / "job.json"))
        if not outcomes.exists():
            said = (done.stdout + done.stderr)[-300:]
            return [{"test": tests[0], "outcome": "crash", "message": said, "seconds": 0.0, "party": "", "blame": ""}]
        return [json.loads(line) for line in outcomes.read_text("utf-8").splitlines()]

    def _pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._python("-m", "pytest", "scenarios", "-q", "-p", "no:cacheprovider", *arguments)

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the copy, whose modules come before those that are installed."""
        command = ["env", f"PYTHONPATH={self.folder}", sys.executable, *arguments]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)


def _catcher(words: str) -> str:
    return next((name for name, pattern in CATCHERS if re.search(pattern, words, re.MULTILINE)), "assert")


def _digest(folder: Path) -> str:
    """Of the sources that decide what a scenario does."""
    found = hashlib.sha256()
    for path in sorted(each for name in ("harness", "scenarios") for each in (folder / name).rglob("*.*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()[:12]


def _write(path: Path, text: str) -> None:
    """Write a source, and drop what was compiled of it: two versions within a second would look the same."""
    path.write_text(text, "utf-8")
    if path.suffix == ".py":
        Path(cache_from_source(str(path))).unlink(missing_ok=True)

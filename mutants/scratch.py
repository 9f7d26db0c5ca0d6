"""Copies of the sources in which defects are put: the working tree is never touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import cache_from_source
from pathlib import Path

from harness.core.clock import SystemClock
from harness.reporting.catchers import catches
from mutants.defect import AREAS, Area, Defect, mutated

__all__ = ["Result", "Scratch"]

CLOCK = SystemClock()
Failure = tuple[str | None, str, str, str]
"""The failed scenario's id if there is one, the kind of judge, the party that it blames, and its words."""
COPIED = ("harness", "scenarios", "platforms", "conftest.py", "pyproject.toml", "harness.toml")
DEADLINE = 900.0
"""Seconds that the scenarios with one defect may take; one that hangs them is caught."""


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one defect. ``test`` is the scenario that caught it, ``catcher`` the kind of judge, ``blamed`` the
    party in its verdict; None and empty where none did. ``seconds`` of wall time."""

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

    def to_json(self) -> str:
        return json.dumps(asdict(self))


class Scratch:
    """One copy, below ``folder``; used by one worker at a time."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        folder.mkdir(parents=True)
        for name in COPIED:
            source = root / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
            else:
                shutil.copy(source, folder / name)
        ignored = shutil.ignore_patterns("target", ".cache", "__pycache__")
        shutil.copytree(root / "firmware", folder / "firmware", ignore=ignored)
        cache = root / ".cache" / "mutants" / folder.name
        cache.mkdir(parents=True, exist_ok=True)
        (folder / "firmware" / "target").symlink_to(cache)

    def judge(self, defect: Defect) -> Result:
        """Run the scenarios with the defect, those that touch its area first, up to the first that fails.

        A catch counts only if the same scenario passes without the defect.
        """
        area, began = AREAS[defect.area], CLOCK.now()
        with self._defective(defect):
            failed = self._build(area) or self._first_failure(area, area.first) or self._first_failure(area, ())
        seconds = CLOCK.now() - began
        if failed is not None and failed[0]:
            self._build(area)
            if self._first_failure(area, (failed[0],)) is not None:
                failed = (None, "unsound", "", f"{failed[0]} fails without the defect too")
        test, catcher, blamed, words = failed or (None, "", "", "")
        caught = failed is not None and catcher != "unsound"
        head = (defect.name, defect.digest, defect.area, area.end)
        return Result(*head, caught, test, catcher, blamed, words[:300], round(seconds, 1))

    @contextmanager
    def _defective(self, defect: Defect) -> Iterator[None]:
        path = self.folder / defect.file
        original = path.read_text("utf-8")
        _write(path, mutated(self.folder, defect))
        try:
            yield
        finally:
            _write(path, original)

    def _build(self, area: Area) -> Failure | None:
        """Build the image of a board that has firmware; an error of the compiler does not count as a catch."""
        if area.end != "firmware":
            return None
        command = [sys.executable, "firmware/build.py", area.board]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        return (None, "unsound", "", f"does not build: {done.stderr[-200:]}") if done.returncode else None

    def _first_failure(self, area: Area, tests: Sequence[str]) -> Failure | None:
        """The first of these scenarios that fails, or of those that are not the area's: its id, the kind of judge, the
        party that it blames, and its words."""
        chosen = [name if name.startswith("scenarios/") else f"scenarios/{name}" for name in tests] or ["scenarios"]
        ignored = [] if tests else [f"--ignore=scenarios/{name}" for name in area.first]
        reports = self.folder / "reports"
        shutil.rmtree(reports, ignore_errors=True)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "--deadline=60s",
            *ignored,
            *chosen,
        ]
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False
            )
        except subprocess.TimeoutExpired:
            return None, "hang", "", f"the scenarios did not end within {DEADLINE:g} s"
        if done.returncode in (0, 5):
            return None
        for document in reports.glob("*/junit.xml"):
            for catch in catches(document.parent):
                return catch.test, catch.judge, catch.blamed, catch.words
        return None, "crash", "", (done.stdout + done.stderr)[-300:]


def _write(path: Path, text: str) -> None:
    """Write a source, and drop what was compiled of it: two versions within a second would look the same."""
    path.write_text(text, "utf-8")
    if path.suffix == ".py":
        Path(cache_from_source(str(path))).unlink(missing_ok=True)

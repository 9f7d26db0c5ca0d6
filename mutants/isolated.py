"""Runs scenarios in processes of their own, copies (``fork``) of one that has imported and collected everything.

``python -m mutants.isolated JOB``: the job's file and its results are JSON. A defect is put into the copies only.
Several run at the same time, and the first that fails may end the others of its task. One
that hangs is killed and decides nothing. A scenario that fails with a defect runs once more without it, at once: so a
defect's result is known as soon as it was judged.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import selectors
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Self, TextIO

import pytest

from mutants.swap import swap

__all__ = ["UNDECIDED", "WITHOUT", "Job", "Outcome", "Task", "is_catch", "main"]

WITHOUT = ""
"""The name of a task without a defect."""
UNFINISHED = "hang"
UNDECIDED = (UNFINISHED, "crash", "not run")
"""Outcomes that decide nothing."""
IMPORTED = (
    "harness.boards.native.tier",
    "harness.boards.qemu.tier",
    "harness.boards.renode.tier",
    "harness.boards.virtual.tier",
    "harness.clusters.embedded",
    "harness.invariants",
    "harness.reporting.finish",
    "harness.sequences",
    "harness.stack.hosted",
    "harness.wasmbed.controllers.manager",
    "harness.wasmbed.gateway.gateway",
)
"""Modules that every scenario needs."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Scenarios to run, in the order in which they begin, with a defect if there is one."""

    name: str
    tests: list[str]
    file: str = ""
    """The file of the defect, below the present folder."""
    text: str = ""
    """The file's text with the defect."""


@dataclass(frozen=True, slots=True)
class Job:
    """The tasks to run, the first ones first."""

    tasks: list[Task]
    output: str
    """The file or pipe of the outcomes, one line of JSON for each test that was run."""
    options: list[str] = field(default_factory=list)
    together: int = 8
    """Tests at the same time."""
    limit: float = 100.0
    """Seconds until a test is killed."""
    to_the_end: bool = False
    """Whether to go on after the first failure."""
    green: list[str] = field(default_factory=list)
    """Tests that are known to pass without a defect."""
    measured: list[str] = field(default_factory=list)
    """Folders: note the lines below them that each test executes."""

    @classmethod
    def read(cls, path: Path) -> Self:
        content = json.loads(path.read_text("utf-8"))
        return cls(**{**content, "tasks": [Task(**task) for task in content["tasks"]]})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one test of a task. ``message`` and ``party`` are of its verdict."""

    task: str
    test: str
    outcome: str
    """One of the harness's outcomes, or ``hang``, or ``crash``."""
    message: str = ""
    blame: str | None = None
    party: str = ""
    seconds: float = 0.0
    """Processor time."""
    lines: dict[str, list[int]] = field(default_factory=dict)
    """The lines that it executed, by file."""


def is_catch(outcome: Mapping[str, Any]) -> bool:
    """Whether a judge said something in these fields of an outcome: a test that merely took too long was not judged,
    nor one that is wrong itself."""
    overdue = "the test did not end within" in outcome["message"].partition("\n")[0]
    judged = bool(outcome["party"]) or not (overdue or outcome["blame"] == "usage")
    return outcome["outcome"] == "failed" and judged


class Isolated:
    """The plugin: runs the job's tests instead of pytest's own loop."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise pytest.UsageError("the scenarios cannot be collected")
        for name in IMPORTED:
            importlib.import_module(name)
        items = {item.nodeid: item for item in session.items}
        waiting = {task: [items[name] for name in task.tests if name in items] for task in self._job.tasks}
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        with Path(self._job.output).open("a", encoding="utf-8") as output:
            self._run(waiting, output)
        os._exit(0)  # the page of the run would be made otherwise

    def _run(self, waiting: dict[Task, list[pytest.Item]], output: TextIO) -> None:
        """Run tests of several tasks, the first tasks first, and what failed with a defect once without it."""
        running, green = _Running(self._job), set(self._job.green)
        tests = {item.nodeid: item for items in waiting.values() for item in items}
        try:
            while True:
                # Of a task that is about to fail, tests that began meanwhile are lost: one each, if there are enough.
                each = max(1, self._job.together // max(1, sum(map(bool, waiting.values()))))
                for task, items in waiting.items():
                    while items and running.has_place(task, each):
                        running.start(task, items.pop(0))
                if not running:
                    return
                for outcome in running.finished():
                    output.write(json.dumps(asdict(outcome)) + "\n")
                    output.flush()
                    if outcome.task != WITHOUT and is_catch(asdict(outcome)) and not self._job.to_the_end:
                        task = next(task for task in waiting if task.name == outcome.task)
                        waiting[task].clear()
                        running.kill(task)
                        if task.file and outcome.test not in green:
                            green.add(outcome.test)
                            waiting = {Task(WITHOUT, [outcome.test]): [tests[outcome.test]], **waiting}
        finally:
            for task in waiting:  # a run that is stopped leaves no process behind
                running.kill(task)


@dataclass(slots=True)
class _Child:
    """A process that runs one test."""

    task: Task
    test: str
    pid: int
    end: float
    """Clock seconds at which it is killed."""
    written: bytearray = field(default_factory=bytearray)


class _Running:
    """The tests under way, by their pipe."""

    def __init__(self, job: Job) -> None:
        from harness.core.clock import SystemClock  # not before pytest: it rewrites the assertions of what it imports

        self._job, self._clock = job, SystemClock()
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, _Child] = {}

    def __len__(self) -> int:
        return len(self._children)

    def has_place(self, task: Task, each: int) -> bool:
        """Whether one more test of the task may begin; it has ``each`` at a time."""
        own = sum(child.task is task for child in self._children.values())
        return len(self._children) < self._job.together and own < each

    def start(self, task: Task, item: pytest.Item) -> None:
        reading, writing = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(reading)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _run(item, self._job, task, writing)
        os.close(writing)
        self._children[reading] = _Child(task, item.nodeid, pid, self._clock.now() + self._job.limit)
        self._selector.register(reading, selectors.EVENT_READ)

    def finished(self) -> list[Outcome]:
        """Wait until a test has ended, or its time has."""
        first = min(child.end for child in self._children.values())
        found = []
        for key, _ in self._selector.select(max(0.0, first - self._clock.now())):
            written = os.read(key.fd, 1 << 16)
            self._children[key.fd].written.extend(written)
            if not written:
                found.append(_outcome(*self._end(key.fd)))
        now = self._clock.now()
        for descriptor in [each for each, child in self._children.items() if child.end <= now]:
            child, seconds = self._end(descriptor)
            message = f"did not end within {self._job.limit:g} s"
            found.append(Outcome(child.task.name, child.test, UNFINISHED, message, seconds=seconds))
        return found

    def kill(self, task: Task) -> None:
        """End all tests of a task."""
        for descriptor in [each for each, child in self._children.items() if child.task is task]:
            self._end(descriptor)

    def _end(self, descriptor: int) -> tuple[_Child, float]:
        """End a test's process; returns the processor time that it used."""
        child = self._children.pop(descriptor)
        self._selector.unregister(descriptor)
        os.close(descriptor)
        _kill_group(child.pid)
        used = os.wait4(child.pid, 0)[2]
        return child, round(used.ru_utime + used.ru_stime, 2)


def _outcome(child: _Child, seconds: float) -> Outcome:
    try:
        return Outcome(child.task.name, child.test, seconds=seconds, **json.loads(child.written))
    except ValueError:
        return Outcome(child.task.name, child.test, "crash", "its process ended without a result", seconds=seconds)


def _kill_group(pid: int) -> None:
    """Kill a test's process and those that it left behind, which are of its group."""
    for each in (os.kill, os.killpg):
        try:
            each(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


class _Reports:
    """The results of the phases of one test."""

    def __init__(self) -> None:
        self.phases: list[Any] = []

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        from harness.pytest_plugin.reports import phase_of

        if (phase := phase_of(report)) is not None:
            self.phases.append(phase)


def _run(item: pytest.Item, job: Job, task: Task, writing: int) -> NoReturn:
    """Run one test in this process, and end the process."""
    from harness.reporting.verdict import worst

    os.setpgid(0, 0)
    if task.file:
        swap(Path.cwd(), task.file, Path(task.file).read_text("utf-8"), task.text)
    reports, measured = _Reports(), _Measured(job.measured)
    item.config.pluginmanager.register(reports)
    with measured:
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
    bad = worst(reports.phases)
    said: dict[str, Any] = {"outcome": "passed", "lines": measured.lines}
    if bad is not None:
        said |= {"outcome": bad.outcome, "message": bad.message, "blame": bad.blame, "party": bad.party}
    with os.fdopen(writing, "w", encoding="utf-8", errors="replace") as pipe:
        json.dump(said, pipe)
    os._exit(0)


class _Measured:
    """Notes the lines below some folders that are executed inside ``with``; nothing without folders."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders
        self.lines: dict[str, list[int]] = {}

    def __enter__(self) -> None:
        if self._folders:
            import coverage

            include = [f"{Path(folder).resolve()}/*" for folder in self._folders]
            self._coverage = coverage.Coverage(data_file=None, include=include, config_file=False)
            self._coverage.start()

    def __exit__(self, *_: object) -> None:
        if self._folders:
            self._coverage.stop()
            data = self._coverage.get_data()
            for file in data.measured_files():
                self.lines[os.path.relpath(file)] = sorted(data.lines(file) or ())


def main(arguments: Sequence[str]) -> int:
    """Run a job. Returns pytest's exit status if the tests cannot be collected; else the process ends with 0."""
    job = Job.read(Path(arguments[0]))
    # A descriptor for each scenario's sockets; many run at the same time.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    files = list(dict.fromkeys(name.partition("::")[0] for task in job.tasks for name in task.tests))
    given = ["-q", "-s", "-p", "no:cacheprovider", *job.options, *files]
    return int(pytest.main(given, plugins=[Isolated(job)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Explorations of simulated stacks: nothing is found where nothing is wrong, and what is wrong is found."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from harness.cli.main import run as run_command
from harness.core.clock import SystemClock
from harness.explore.case import Case, run
from harness.explore.explorer import Explorer, Group
from harness.explore.finding import reproduced, write
from harness.explore.session import Limits, Progress, Session, explore, smallest
from harness.explore.workers import LocalSource, Task, Worker, explore_with
from harness.faults import Entry, Schedule, TimeMoment, make_fault
from harness.wasmbed.controllers.device import DeviceController
from tests.explore import planted

SEED = 3
RUNS = 4
"""Of the exploration in `make test`."""


def session_of(explorer: Explorer, folder: Path, runs: int) -> Session:
    progress = Progress(explorer, SystemClock(), lambda line: None)
    return Session(explorer, Limits(3600.0, runs), folder, progress)


def test_a_little_exploration_finds_nothing_wrong(tmp_path: Path) -> None:
    explorer = Explorer(SEED, boards=2, tier="sim", seconds=10.0)
    explore(session_of(explorer, tmp_path, RUNS))
    assert (explorer.runs, explorer.groups) == (RUNS, [])
    assert explorer.corpus


def test_a_case_has_one_outcome() -> None:
    case = Case(5, Schedule.of(Entry(TimeMoment(3.0), make_fault("board.reset"), "sim-1")), 1, 5.0, order="random")
    assert run(case) == run(Case.from_json(case.to_json()))


@pytest.fixture
def defect(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform has the planted defect, also in other processes."""
    monkeypatch.setattr(DeviceController, "_write", planted.write)
    monkeypatch.setenv("PYTEST_PLUGINS", "tests.explore.planted")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


@pytest.mark.usefixtures("defect")
def test_an_invariant_that_is_broken_by_hand_is_found_and_made_small() -> None:
    """One fault of one board is left."""
    explorer, group = Explorer(5, boards=1, tier="sim", seconds=5.0), None
    while group is None:
        assert explorer.runs < 20, "not found"
        case = explorer.next()
        group = explorer.learn(case, run(case))
    assert (group.failure.rule, group.failure.party) == (planted.RULE, planted.PARTY)
    found = smallest(group)
    assert found.boards == 1
    assert len(found.schedule.entries) == 1
    assert run(found).failure == group.failure


@pytest.mark.system("pytest")
@pytest.mark.usefixtures("defect")
def test_a_finding_fails_alike_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its test, its schedule, its history and its report are in its folder; without the defect the test passes."""
    case = Case(0, Schedule.of(Entry(TimeMoment(3.0), make_fault("board.reset"), "sim-1")), 1, 5.0)
    failure = run(case).failure
    assert failure is not None
    path = write(tmp_path, case, failure)
    assert reproduced(path, failure)
    assert {each.name for each in path.parent.rglob("*")} >= {"schedule.toml", "history.jsonl", "index.html"}
    monkeypatch.delenv("PYTEST_PLUGINS")
    assert not reproduced(path, failure)


async def test_a_case_with_which_processes_end_is_a_failure() -> None:
    outcome = await Worker(("false",)).run(Case(0))
    assert outcome.failure is not None
    assert outcome.failure.rule == "the process that ran it ended"


@pytest.mark.system("processes")
async def test_workers_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    """Their cases run again, and all outcomes are known."""
    explorer = Explorer(SEED, boards=1, tier="sim", seconds=5.0)
    session, workers = session_of(explorer, tmp_path, 8), [Worker(), Worker()]
    source = Killing(session, workers)
    await explore_with(session, source, workers)
    assert len(source.killed) == 2
    assert sorted(map(str, source.taken)) == sorted(map(str, source.finished))
    assert explorer.runs == len(source.taken) >= 8


class Killing(LocalSource):
    """Kills the processes when the third case is taken: of one worker, before it gets it, and of the other one in the
    middle of its case."""

    def __init__(self, session: Session, workers: list[Worker]) -> None:
        super().__init__(session)
        self._workers = workers
        self.taken: list[Case] = []
        self.finished: list[Case] = []
        self.killed: list[int] = []

    async def take(self) -> Task:
        if len(self.taken) == 2:
            self.killed = [worker.pid for worker in self._workers if worker.pid is not None]
            for pid in self.killed:
                os.kill(pid, signal.SIGKILL)
        task = await super().take()
        self.taken.append(task.case)
        return task

    async def done(self, task: Task, features: frozenset[str], group: Group | None) -> None:
        self.finished.append(task.case)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tier", "qemu"], "sim-native"),
        (["--boards", "0"], "--boards"),
        (["--minutes", "0"], "--minutes"),
        (["--seed", "-1"], "--seed"),
        (["--workers", "0"], "--workers"),
        (["--queue", "http://127.0.0.1:4222"], "nats://HOST:PORT"),
        (["--queue", "nats://127.0.0.1:4222/a b"], "nats://HOST:PORT"),
        (["--queue", "nats://127.0.0.1:none"], "nats://HOST:PORT"),
    ],
)
def test_bad_input_is_told(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["explore", *arguments]) == 2
    assert said in capsys.readouterr().err

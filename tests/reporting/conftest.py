"""Runs for reports."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.core.clock import ManualClock
from harness.core.history import Event, History, Kind
from harness.reporting import write_run_report

ROOT = Path(__file__).parents[2]


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def write_fleet() -> Callable[[Path, int, int], Path]:
    """Writes a run with the history of a large fleet, the same as in the benchmark."""
    return _module(ROOT / "benchmarks" / "histories.py").write_fleet


@pytest.fixture(scope="session")
def leave() -> Callable[..., Path]:
    """Writes one test into a run's folder, as a front door does."""

    def leave(folder: Path, *, outcome: str = "passed", blame: str | None = None, **result: Any) -> Path:
        folder.mkdir(parents=True)
        clock = ManualClock()
        history = History(clock, folder / "history.jsonl")
        history.record(Kind.MESSAGE, "Device", "Gateway", "Heartbeat", {"note": "</script><b>"}, "board-1")
        history.close()
        said = {"test": f"scenarios/{folder.name}.py::test_it", "outcome": outcome, "blame": blame, "message": ""}
        said |= {"duration": 0.5, "rerun": f"pytest scenarios/{folder.name}.py::test_it --seed=7", "seed": 7} | result
        (folder / "result.json").write_text(json.dumps(said))
        return folder

    return leave


@pytest.fixture(scope="session")
def write_history() -> Callable[..., Path]:
    """Writes a run with one test and these events: (time, kind, name, data)."""

    def write(run: Path, *events: tuple[float, Kind, str, dict[str, Any]]) -> Path:
        folder = run / "test"
        folder.mkdir(parents=True)
        lines = [Event(at, n, kind, "Kubernetes", "", name, data) for n, (at, kind, name, data) in enumerate(events)]
        (folder / "history.jsonl").write_text("".join(f"{line.to_json()}\n" for line in lines))
        said = {"test": "test_it", "outcome": "passed", "blame": None, "message": "", "duration": 1.0, "rerun": ""}
        (folder / "result.json").write_text(json.dumps(said))
        write_run_report(run)
        return run

    return write

"""The recipes of the random runs, each with its own shares of steps, and the choice of the next one.

One recipe alone makes much of one kind of event and little of another. Which one is next follows from the kind of
which the histories so far have least, so that all kinds grow together. Within a recipe everything is drawn from the
seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.clean.worth import worth
from harness.clusters.watch_times import WatchTimes
from harness.core.identifiers import Randomness
from harness.stack import StackOptions
from harness.stack.options import ORDERS

__all__ = ["IN_PYTHON", "RECIPES", "Draw", "Recipe", "next_recipe", "options"]

IN_PYTHON = ("virtual", "sim")
"""Boards that cost so little that a run may have many."""
ALL_DAY = 1e5
"""The limit of a run: its own waits end before."""

T = TypeVar("T")


class Draw:
    """Random choices that follow from a seed and a purpose."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._randomness = Randomness(seed).fork(purpose)

    def below(self, end: int) -> int:
        """A number from 0 on."""
        return int.from_bytes(self._randomness.bytes(8), "big") % end

    def choice(self, values: Sequence[T]) -> T:
        return values[self.below(len(values))]

    def happens(self, share: float) -> bool:
        """True in that share of all cases."""
        return self.below(1_000_000) < 1_000_000 * share


@dataclass(frozen=True)
class Recipe:
    """How the runs of one kind are drawn. ``steps``: the methods of a run, each with how often it is among the choices;
    ``boards``: how many there are at first; ``many``: the share of steps that take a third of all boards, not one;
    ``to_all``: the share of deployments to all boards or all of a site; ``names``: how many applications there may
    be; ``sizes``: bytes of a module; ``waits``: seconds after a step; ``makes``: the kinds of which it has most."""

    steps: Mapping[str, int]
    boards: Sequence[int]
    length: tuple[int, int]
    makes: frozenset[str] = frozenset()
    many: float = 0.0
    to_all: float = 0.4
    names: int = 12
    sizes: Sequence[int] = (0, 0, 0, 0, 0, 5_000, 5_000, 60_000)
    waits: Sequence[float] = (0.0, 0.0, 0.0, 0.0, 0.01, 0.1, 0.4, 1.0)
    heartbeats: Sequence[float] = (0.3, 1.0, 5.0, *(30.0,) * 4)
    beats: Sequence[float] = (0.3, 1.0, 5.0)


_BOARDS = dict.fromkeys(("cut_link", "restore_link", "cut_power", "power_on", "reset", "label"), 2)
_PLATFORM = {"fail": 2, "unfail": 1, "break_watches": 1, "busy": 1}

RECIPES: Mapping[str, Recipe] = {
    "mixed": Recipe(
        {**_BOARDS, **_PLATFORM, "deploy": 3, "redeploy": 1, "stop": 1, "start": 1, "delete": 1}
        | {"gateway": 2, "forget": 1, "another": 2, "stranger": 1, "peers": 1},
        boards=(1, 2, 5, 12, 40, 40),
        length=(20, 80),
    ),
    "fleet": Recipe(
        {"cut_link": 8, "restore_link": 12, "cut_power": 2, "power_on": 3, "reset": 1, "forget": 4, "label": 1}
        | {"several": 3, "stranger": 2, "peers": 5}
        | {"fail": 1, "unfail": 2, "break_watches": 1, "busy": 1, "gateway": 2},
        boards=(8, 20, 40),
        length=(20, 60),
        makes=frozenset(
            {"TlsConnected", "ConnectionClosed", "EnrollmentRequest", "POST Device", "DeviceInfo", "PATCH Device"}
            | {"Error"}
        ),
        many=0.5,
        waits=(0.0, 0.0, 0.01, 0.4, 3.0),
        heartbeats=(30.0,),
        beats=(5.0,),
    ),
    "applications": Recipe(
        {**_PLATFORM, "deploy": 16, "redeploy": 2, "stop": 8, "start": 3, "delete": 3, "gateway": 1}
        | {"cut_link": 1, "restore_link": 1, "cut_power": 1, "power_on": 1, "reset": 1, "label": 1, "another": 1},
        boards=(1, 1, 2, 3),
        length=(40, 100),
        makes=frozenset(
            {"PATCH Application", "POST Application", "DELETED Application", "Deploy", "DeploymentResult"}
            | {"ModuleChunk", "ApplicationStatus", "RuntimeFault", "StopResult", "faults"}
        ),
        to_all=0.3,
        names=1_000,
        heartbeats=(1.0, 5.0, 30.0, 30.0),
    ),
}
"""By name. ``mixed`` has all steps; of boards that are not simulated, it is the only one."""

MIXED = 8
"""Each that many seeds, a run is mixed."""


def next_recipe(seed: int, things: Mapping[str, int]) -> str:
    """The name of the recipe of the next run, after histories with these things."""
    if seed % MIXED == 0:
        return "mixed"
    _, least = worth(things)
    return next((name for name, recipe in RECIPES.items() if least in recipe.makes), "mixed")


def options(seed: int, boards: str = "virtual", recipe: str = "mixed") -> StackOptions:
    """The options of a run."""
    draw = Draw(seed, "options")
    process = boards == "virtual" and draw.happens(0.05)
    cheap = boards in IN_PYTHON
    return StackOptions(
        boards=boards,
        seed=seed,
        gateway="process" if process else "reference",
        heartbeat=draw.choice(RECIPES[recipe].heartbeats) if cheap else 5.0,
        beat=draw.choice(RECIPES[recipe].beats),
        watches=draw.choice(tuple(WatchTimes)),
        schedule_order=draw.choice(ORDERS) if boards == "sim" else "fifo",
        deadline=ALL_DAY,
    )

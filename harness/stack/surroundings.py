"""The event loop, time and network of a stack: the machine's, or those of a simulation."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from harness.core.clock import Clock, SystemClock
from harness.core.descriptors import count_sockets
from harness.core.errors import UsageError
from harness.core.loop import new_runner
from harness.core.network import Network, SystemNetwork
from harness.faults import read_schedule
from harness.stack.options import LINKS, ORDERS, SEED, StackOptions, flag

__all__ = ["FEATURES", "Runner", "Surroundings", "in_virtual_time", "surroundings_of"]

T = TypeVar("T")
FEATURES: Mapping[str, str] = {
    "other-programs": "has other programs beside it: emulators, tools, real sockets",
    "virtual-time": "its time passes only while nothing can run: a pause is as long as it was meant to be",
}
"""The features of stacks, each with its meaning: the first only without a simulation, the second only in one."""
_NEEDS = {"cluster": "embedded", "gateway": "reference", "controllers": "reference"}
"""The options of a stack that is one event loop without threads and processes."""


_ONLY_SIMULATED = {"schedule_order": ORDERS[0], "link": None}
"""The options that only a simulation has, with their defaults."""
PLAIN = "sim"
"""The boards whose links may be plain."""


class Runner(AbstractContextManager["Runner"], Protocol):
    """An event loop that exists inside ``with``, as of :class:`asyncio.Runner`."""

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run ``coro`` to its end and return its result."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``open_sockets`` counts the sockets that are open now. ``simulated``: whether time is virtual."""

    clock: Clock
    network: Network
    new_runner: Callable[[], Runner]
    open_sockets: Callable[[], int] = count_sockets
    simulated: bool = False

    @classmethod
    def of_machine(cls, new_runner: Callable[[], Runner] = new_runner) -> Surroundings:
        """The machine's own."""
        return cls(SystemClock(), SystemNetwork(), new_runner)


def in_virtual_time(options: StackOptions) -> StackOptions:
    """The options of the same stack in a simulation, if all of it can be simulated; otherwise unchanged."""
    if options.boards == "virtual" and all(getattr(options, name) == value for name, value in _NEEDS.items()):
        return options.replace(boards="sim")
    return options


def _is_relayed(options: StackOptions) -> bool:
    scheduled = options.schedule is not None and read_schedule(options.schedule).needs_relay
    return options.relay or options.wire_defect is not None or scheduled


def surroundings_of(options: StackOptions, new_runner: Callable[[], Runner] = new_runner) -> Surroundings:
    """The surroundings of a stack with these options; on a machine, its event loop is of ``new_runner``.

    Raises UsageError for options that a simulation cannot have.
    """
    if not options.simulated:
        for name, default in _ONLY_SIMULATED.items():
            if getattr(options, name) != default:
                raise UsageError("is for --boards=sim", where=f"--{flag(name)}", do="add that, or leave this out")
        return Surroundings.of_machine(new_runner)
    if options.link == "plain" and options.boards != PLAIN:
        raise UsageError(
            f"boards of {options.boards} have TLS of their own",
            where="--link=plain",
            do=f"leave it out, or choose --boards={PLAIN}",
        )
    for name, value in _NEEDS.items():
        if (given := getattr(options, name)) != value:
            raise UsageError(
                f"the {name} {given!r} cannot be simulated: it is not in this process",
                where=f"--{name}",
                do=f"leave it out, or choose other boards than {options.boards}",
            )
    from harness.sim import Simulation  # late: most runs need none

    # The relay reads TLS's records.
    plain = (options.link or LINKS[0]) == "plain" and options.boards == PLAIN and not _is_relayed(options)
    simulation = Simulation(options.schedule_order, options.seed or SEED, plain=plain)
    return Surroundings(
        simulation.clock, simulation.network, simulation.new_runner, lambda: simulation.open_sockets, simulated=True
    )

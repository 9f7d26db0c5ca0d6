"""The options of a run, defined and parsed in one place for all front doors.

A field of :class:`StackOptions` is at once a pytest option (``--heartbeat``), a Robot variable (``HEARTBEAT``), an
environment variable (``WASMBED_HEARTBEAT``), a key of the project's file (see :mod:`harness.stack.sources`) and a
keyword of the ``stack`` marker.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from harness.clusters.watch_times import WatchTimes
from harness.core.errors import UsageError, suggestion

__all__ = ["CONTROLLER_KINDS", "Given", "StackOptions", "flag", "written"]

NOT_REPEATED = {"profile", "reports", "keep", "summary", "annotations"}
"""Options that a command to run a test again does not need."""
SIMULATED = frozenset({"sim", "sim-native"})
"""The tiers of boards with which the whole stack is simulated."""
SEED = 0
"""The seed of a simulation without ``--seed``."""
ORDERS = ("fifo", "random", "pct")
LINKS = ("plain", "tls")
CONTROLLER_KINDS = ("reference", "process")
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class Given(NamedTuple):
    """The text of an option and where it was written."""

    text: str
    where: str


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _seed(text: str) -> int:
    value = _whole(text)
    if value < 0:
        raise ValueError("must not be negative")
    return value


def _seconds(text: str) -> float:
    written = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+) ?([a-z]*)", text.strip())
    if not written or written[2] not in _UNITS or not (value := float(written[1]) * _UNITS[written[2]]):
        raise ValueError("must be a positive number of seconds, or one with a unit as in 500ms, 5s, 2min, 1h")
    return value


def _count(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise ValueError("must be at least 1")
    return value


def _switch(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("must be yes or no")
    return text == "yes"


def _watches(text: str) -> WatchTimes:
    if text not in tuple(WatchTimes):
        raise ValueError(f"must be one of {', '.join(WatchTimes)}")
    return WatchTimes(text)


def _controllers(text: str) -> str:
    if text not in CONTROLLER_KINDS:
        raise ValueError(f"must be one of {', '.join(CONTROLLER_KINDS)}")
    return text


def _order(text: str) -> str:
    if text not in ORDERS:
        raise ValueError(f"must be one of {', '.join(ORDERS)}")
    return text


def _link(text: str) -> str:
    if text not in LINKS:
        raise ValueError(f"must be one of {', '.join(LINKS)}")
    return text


def _wire_defect(text: str) -> str:
    from harness.gateways.relay.defects import find_defect  # late: it imports the gateway

    try:
        find_defect(text)
    except UsageError as error:
        raise ValueError(str(error)) from error
    return text


def _name(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


@dataclass(frozen=True, slots=True)
class StackOptions:
    """The options of a stack and its run. Made by :meth:`parse` from text, or directly from values."""

    boards: str = field(
        default="virtual",
        metadata={
            "parse": _name,
            "help": "the boards: a tier (virtual, native, qemu, renode; in virtual time sim, sim-native), or a kind of "
            "board (see `wasmbed boards`); with another link: mps2-an385+ethernet",
            "metavar": "BOARDS",
        },
    )
    image: Path | None = field(
        default=None,
        metadata={
            "parse": Path,
            "help": "firmware image of another project for the boards, which have to be of a kind in QEMU, or of a "
            "table [boards.NAME] of harness.toml that tells how the firmware learns its settings",
            "metavar": "PATH",
        },
    )
    cluster: str = field(
        default="embedded",
        metadata={
            "parse": _name,
            "help": "where the Kubernetes API lives: embedded, apiserver, envtest, k3d, kubeconfig",
            "metavar": "KIND",
        },
    )
    gateway: str = field(
        default="reference",
        metadata={
            "parse": _name,
            "help": "whose gateway: reference (in this process), process (the same as a program), or a table "
            "[gateways.NAME] of harness.toml",
            "metavar": "KIND",
        },
    )
    gateway_file: Path | None = field(
        default=None,
        metadata={
            "parse": Path,
            "help": "TOML file with the tables [gateways.NAME], instead of the project's harness.toml",
            "metavar": "PATH",
        },
    )
    wire_defect: str | None = field(
        default=None,
        metadata={
            "parse": _wire_defect,
            "help": "defect that is put on the gateway's links, as `wasmbed mutate --list` names it",
            "metavar": "NAME",
        },
    )
    relay: bool = field(
        default=False,
        metadata={
            "parse": _switch,
            "help": "let links pass the recording relay also where the gateway records them itself; stack.links "
            "disturbs links that pass it",
            "metavar": "yes|no",
        },
    )
    seed: int | None = field(
        default=None, metadata={"parse": _seed, "help": "seed of all random values except keys", "metavar": "N"}
    )
    schedule_order: str = field(
        default="fifo",
        metadata={
            "parse": _order,
            "help": "which of several ready tasks of a simulation runs first, by the seed: fifo, random, pct",
            "metavar": "ORDER",
        },
    )
    schedule: Path | None = field(
        default=None,
        metadata={
            "parse": Path,
            "help": "TOML file with faults and the moments at which they happen, in each test",
            "metavar": "FILE",
        },
    )
    link: str | None = field(
        default=None,
        metadata={
            "parse": _link,
            "help": "the data of a simulation's links: plain, after a handshake of TLS, or tls; by default plain for "
            "--boards=sim, and tls for links that pass the relay",
            "metavar": "plain|tls",
        },
    )
    kubeconfig: Path | None = field(
        default=None,
        metadata={
            "parse": Path,
            "help": "kubeconfig of the cluster, for --cluster=kubeconfig",
            "metavar": "PATH",
            "cluster": "kubeconfig",
        },
    )
    allow_cluster: str | None = field(
        default=None,
        metadata={
            "parse": _name,
            "help": "context of a remote cluster that the tests may use, for --cluster=kubeconfig",
            "metavar": "NAME",
            "cluster": "kubeconfig",
        },
    )
    k3d_config: Path | None = field(
        default=None,
        metadata={
            "parse": Path,
            "help": "configuration file of k3d for the cluster, for --cluster=k3d",
            "metavar": "FILE",
            "cluster": "k3d",
        },
    )
    import_images: str | None = field(
        default=None,
        metadata={
            "parse": _name,
            "help": "images for the cluster's nodes beside the platform's, separated by commas: names that Docker has, "
            "or archives, for --cluster=k3d",
            "metavar": "IMAGES",
            "cluster": "k3d",
        },
    )
    keep_cluster: str | None = field(
        default=None,
        metadata={
            "parse": _name,
            "help": "name of a cluster that is used if it is there, and stays at the end, for --cluster=k3d",
            "metavar": "NAME",
            "cluster": "k3d",
        },
    )
    own_server: bool | None = field(
        default=None,
        metadata={
            "parse": _switch,
            "help": "give each test an API server of its own, with its data on disk, so that the test can kill it and "
            "start it again, for --cluster=apiserver and embedded-process",
            "metavar": "yes|no",
            "cluster": "apiserver",
        },
    )
    controllers: str = field(
        default="reference",
        metadata={
            "parse": _controllers,
            "help": "where the controllers run: reference (in this process), process (the same as a program)",
            "metavar": "KIND",
        },
    )
    watches: WatchTimes | None = field(
        default=None,
        metadata={
            "parse": _watches,
            "help": "when watch events arrive, for --cluster=embedded: prompt, early (before the answer to the write), "
            "late, batched",
            "metavar": "WHEN",
            "cluster": "embedded",
        },
    )
    heartbeat: float = field(
        default=30.0,
        metadata={"parse": _seconds, "help": "seconds between two heartbeats of a device", "metavar": "SECONDS"},
    )
    beat: float = field(
        default=5.0,
        metadata={
            "parse": _seconds,
            "help": "seconds between two heartbeats of the gateway; after three missed ones it is Offline",
            "metavar": "SECONDS",
        },
    )
    deadline: float = field(
        default=300.0,
        metadata={"parse": _seconds, "help": "time limit for the body of one test, in seconds", "metavar": "SECONDS"},
    )
    fleet: int = field(
        default=5, metadata={"parse": _count, "help": "number of boards in the scenarios about fleets", "metavar": "N"}
    )
    record: bool = field(
        default=False,
        metadata={
            "parse": _switch,
            "help": "record the input of boards that support it, to replay their runs",
            "metavar": "yes|no",
        },
    )
    reports: Path = field(
        default=Path("reports"),
        metadata={"parse": Path, "help": "folder for the histories and the page of each run", "metavar": "FOLDER"},
    )
    keep: int = field(
        default=20,
        metadata={
            "parse": _count,
            "help": "number of runs kept in that folder; older ones are removed",
            "metavar": "N",
        },
    )
    summary: Path | None = field(
        default=None,
        metadata={
            "parse": Path,
            "help": "Markdown file to append a summary of the run to; GITHUB_STEP_SUMMARY in a CI job",
            "metavar": "PATH",
        },
    )
    annotations: bool = field(
        default=False,
        metadata={
            "parse": _switch,
            "help": "print failures as ::error file=... lines; always on in a GitHub Actions job",
            "metavar": "yes|no",
        },
    )
    profile: str | None = field(
        default=None,
        metadata={"parse": _name, "help": "set of options from the project's harness.toml", "metavar": "NAME"},
    )
    modules: Path = field(
        default=Path("scenarios/modules"),
        metadata={"parse": Path, "help": "folder of WebAssembly modules, text or binary", "metavar": "FOLDER"},
    )

    @property
    def simulated(self) -> bool:
        """Whether the whole stack runs in virtual time."""
        return self.boards in SIMULATED

    @classmethod
    def names(cls) -> list[str]:
        """The names of all options."""
        return [option.name for option in dataclasses.fields(cls)]

    @classmethod
    def check(cls, names: Iterable[str], where: str | None = None) -> None:
        """Raise UsageError for names that are not options."""
        known = cls.names()
        if unknown := sorted(set(names) - set(known)):
            what = f"unknown option: {', '.join(unknown)}"
            raise UsageError(what, where=where, do=f"{suggestion(unknown[0], known)}the options are {', '.join(known)}")

    @classmethod
    def parse(cls, given: Mapping[str, str | None], environment: Mapping[str, str]) -> StackOptions:
        """Options from text: ``given`` ones take precedence over ``WASMBED_<NAME>`` in ``environment``. Reads no file.

        Raises UsageError naming the option, its value, and the valid values.
        """
        return cls.of(cls.gather(given, environment))

    @classmethod
    def gather(
        cls, given: Mapping[str, str | None], environment: Mapping[str, str], spelling: str = "--{flag}"
    ) -> dict[str, Given]:
        """The text of each option, and where it was written; ``spelling`` is the front door's form of an option."""
        found: dict[str, Given] = {}
        for name in cls.names():
            variable = f"WASMBED_{name.upper()}"
            if (text := given.get(name)) is not None:
                found[name] = Given(text, spelling.format(flag=flag(name), NAME=name.upper()))
            elif (text := environment.get(variable)) is not None:
                found[name] = Given(text, variable)
        return found

    @classmethod
    def of(cls, written: Mapping[str, Given]) -> StackOptions:
        """Options from their texts. Raises UsageError as :meth:`parse` does."""
        values: dict[str, Any] = {}
        for option in dataclasses.fields(cls):
            if option.name not in written:
                continue
            text, where = written[option.name]
            try:
                values[option.name] = option.metadata["parse"](text)
            except ValueError as error:
                raise UsageError(
                    f"invalid value {text!r}: {error}",
                    where=where,
                    do=f"give {option.metadata['metavar']}: {option.metadata['help']}",
                ) from error
        return cls(**values)

    def replace(self, **changes: Any) -> StackOptions:
        """A copy with some options changed, to values or their texts. Raises UsageError for an unknown option or an
        invalid value."""
        self.check(changes)
        given = {name: Given(written(value), f"{name}=") for name, value in changes.items() if value is not None}
        parsed = self.of(given)
        new: dict[str, Any] = changes | {name: getattr(parsed, name) for name in given}
        return dataclasses.replace(self, **new)

    def changed(self, base: StackOptions | None = None) -> dict[str, str]:
        """The texts of the options that differ from ``base``; those of a profile are listed one by one."""
        base = base or StackOptions()
        return {
            name: written(getattr(self, name))
            for name in self.names()
            if name not in NOT_REPEATED and getattr(self, name) != getattr(base, name)
        }

    def replaying(self) -> list[str]:
        """The command line arguments with which the same faults happen at the same moments."""
        seed = [f"--seed={self.seed or SEED}"] if self.simulated else []
        file = [f"--schedule={self.schedule}"] if self.schedule is not None else []
        return [f"--boards={self.boards}", *seed, *file]

    def arguments(self, base: StackOptions | None = None) -> list[str]:
        """The command line arguments that change ``base`` to these options."""
        return [f"--{flag(name)}={text}" for name, text in self.changed(base).items()]


def written(value: Any) -> str:
    """The text of an option's value."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def flag(name: str) -> str:
    """An option's name on a command line, without its two dashes."""
    return name.replace("_", "-")

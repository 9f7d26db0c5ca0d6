"""Finds the gateway that ``--gateway`` names: a kind, by entry point, or a table ``[gateways.NAME]`` of a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.errors import HarnessError, RigError, UsageError, suggestion
from harness.gateways.gateway import Choice, Gateway
from harness.stack import sources
from harness.stack.kinds import kind_names, load_kind
from harness.stack.options import StackOptions
from harness.stack.system import System, read_system
from harness.wasmbed.resources.kinds import APPLICATION

__all__ = ["GATEWAYS", "check_gateway_choice", "find_choice", "find_gateway", "find_system", "gateways"]

GATEWAYS = "harness.gateways"
_KIND, _SYSTEM = "kind", "system"


def gateways(root: Path) -> dict[str, str | None]:
    """Every registered kind, and every table of the project at ``root``, with the reason why it cannot run here."""
    found: dict[str, str | None] = {}
    for name in [*kind_names(GATEWAYS), *sources.read_gateways(root)]:
        try:
            kind, choice = find_gateway(StackOptions(gateway=name), root)
            if name != choice.kind or not kind.described:
                kind.features_of(choice)
            found[name] = kind.unavailable()
        except HarnessError as error:
            found[name] = str(error).replace("\n  -> ", ": ")
    return found


def check_gateway_choice(options: StackOptions, root: Path) -> None:
    """Raise UsageError if ``options`` name no gateway, or one whose table is invalid."""
    choice, _ = _choice(options, root)
    if choice.kind != StackOptions().gateway or choice.table:  # loading it takes longer than a test without a stack
        _loaded(choice).features_of(choice)


def find_gateway(options: StackOptions, root: Path | None = None) -> tuple[type[Gateway], Choice]:
    """The kind, and its table if it has one. The tables are in the project's file at ``root`` unless ``options`` name
    another. Raises UsageError for an unknown name, RigError for a kind that cannot be loaded or cannot run here."""
    choice, _ = _choice(options, root)
    return _loaded(choice), choice


def find_choice(options: StackOptions) -> Choice:
    """As :func:`find_gateway`, without loading the kind."""
    return _choice(options, None)[0]


def find_system(options: StackOptions) -> System:
    """The system that the chosen gateway is a part of. Raises UsageError for an unknown name or an invalid file."""
    return _choice(options, None)[1]


def _choice(options: StackOptions, root: Path | None) -> tuple[Choice, System]:
    name, kinds = options.gateway, kind_names(GATEWAYS)
    root = root or sources.find_root(Path.cwd())
    tables = sources.read_gateways(root, options.gateway_file)
    if name in tables:
        return _described(name, *tables[name], kinds)
    if name in kinds:
        return Choice(name, where=f"--gateway={name}", folder=root), System()
    known = [*kinds, *tables]
    raise UsageError(
        f"unknown gateway {name!r}",
        where="--gateway",
        do=f"{suggestion(name, known)}there are: {', '.join(known)}; describe your own in [gateways.{name}] of "
        "harness.toml",
    )


def _loaded(choice: Choice) -> type[Gateway]:
    loaded: type[Gateway] = load_kind(GATEWAYS, choice.kind)
    if why := loaded.unavailable():
        raise RigError(why, where=choice.where, do="see wasmbed doctor")
    if choice.wire not in loaded.wires:
        spoken = ", ".join(sorted(loaded.wires))
        raise UsageError(
            f"a gateway of kind {choice.kind} does not speak the wire {choice.wire!r} of its system",
            where=choice.where,
            do=f"it speaks {spoken}: correct wire in {choice.system}, or bring a gateway that does",
        )
    absent = sorted(name for name in choice.extent.lacks if name.partition(" ")[0] != APPLICATION.kind)
    if absent and loaded.writes_everything:
        raise UsageError(
            f"a gateway of kind {choice.kind} does not work without {', '.join(absent)}",
            where=choice.where,
            do=f"correct {choice.system}, or bring a gateway that does",
        )
    return loaded


def _described(name: str, file: str, table: Mapping[str, Any], kinds: list[str]) -> tuple[Choice, System]:
    lines = sources.lines_of_table(Path(file).read_text("utf-8"), sources.GATEWAYS, name)
    rest = {key: value for key, value in table.items() if key not in (_KIND, _SYSTEM)}
    choice = Choice(str(table.get(_KIND, "command")), rest, f"{file} [gateways.{name}]", Path(file).parent, lines)
    system = System()
    if _SYSTEM in table:
        system = read_system(choice.folder / str(table[_SYSTEM]), choice.at(_SYSTEM))
        file_of = (choice.folder / str(table[_SYSTEM])).resolve()
        choice = replace(
            choice,
            table={**system.gateway, **rest},
            system=file_of,
            lacks=system.lacks,
            wire=system.wire,
            extent=system.extent,
        )
    if choice.kind not in kinds:
        do = f"{suggestion(choice.kind, kinds)}the kinds are {', '.join(kinds)}"
        raise UsageError(f"unknown kind {choice.kind!r}", where=choice.at(_KIND), do=do)
    return choice, system

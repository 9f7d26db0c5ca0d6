"""Reads options from the command line, the environment, and the project's file with its profiles.

The file is ``harness.toml``, or the table ``[tool.wasmbed-harness]`` of ``pyproject.toml``. It holds options by name,
and named sets of options under ``profiles``; ``--profile`` selects one.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, reason
from harness.stack.options import Given, StackOptions, written

__all__ = ["BOARDS", "find_root", "lines_of_table", "read_boards", "read_file", "read_gateways", "read_options"]

FILE = "harness.toml"
TABLE = "[tool.wasmbed-harness]"
PROFILES = "profiles"
GATEWAYS = "gateways"
BOARDS = "boards"


def read_options(
    given: Mapping[str, str | None], environment: Mapping[str, str], root: Path, *, spelling: str = "--{flag}"
) -> StackOptions:
    """The options of a run in the project at ``root``, for any front door.

    ``given`` options take precedence over ``WASMBED_<NAME>`` in the environment, these over the chosen profile, and
    that over the project's defaults. ``spelling`` is the front door's form of an option.
    Raises UsageError naming the invalid option and where it was written.
    """
    from harness.stack.backends import check_options
    from harness.stack.gateway_choice import check_gateway_choice

    here = StackOptions.gather(given, environment, spelling)
    defaults, profiles = read_file(root)
    chosen = here.get("profile") or defaults.get("profile")
    options = StackOptions.of(defaults | _profile(chosen, profiles) | here)
    check_options(options, root)
    check_gateway_choice(options, root)
    return options


def read_file(root: Path) -> tuple[dict[str, Given], dict[str, dict[str, Given]]]:
    """The defaults and the profiles of the project at ``root``; both empty without a file. Raises UsageError."""
    own, shared = root / FILE, root / "pyproject.toml"
    if own.is_file():
        return _split(_load(own), FILE)
    table = _load(shared).get("tool", {}).get("wasmbed-harness", {}) if shared.is_file() else {}
    return _split(table, f"pyproject.toml {TABLE}")


def read_gateways(root: Path, file: Path | None = None) -> dict[str, tuple[str, dict[str, Any]]]:
    """The tables ``[gateways.NAME]`` of the project at ``root``, or of another ``file``, each with the file's path.

    Raises UsageError."""
    return _tables(file or project_file(root), GATEWAYS)


def read_boards(root: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """The tables ``[boards.NAME]`` of the project at ``root``, each with the file's path. Raises UsageError."""
    return _tables(project_file(root), BOARDS)


def _tables(path: Path | None, name: str) -> dict[str, tuple[str, dict[str, Any]]]:
    found = _load(path) if path is not None else {}
    if path is not None and path.name == "pyproject.toml":
        found = found.get("tool", {}).get("wasmbed-harness", {})
    tables = found.get(name, {})
    if name in StackOptions.names() and not isinstance(tables, dict):
        return {}  # the option of that name
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise UsageError("is not a table", where=f"{path} {name}", do=f"write [{name}.NAME] and keys below it")
    return {each: (str(path), table) for each, table in tables.items()}


def lines_of_table(text: str, group: str, name: str) -> dict[str, int]:
    """The line of each key of a table ``[GROUP.NAME]``, and of each table below it."""
    header = re.compile(rf"""\s*\[(?:[\w.-]+\.)?{group}\.["']?{re.escape(name)}["']?(?:\.([\w-]+))?[\w."'-]*\]""")
    found: dict[str, int] = {}
    inside = below = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("["):
            opened = header.match(line)
            inside, below = opened is not None, opened is not None and opened[1] is not None
            if opened is not None and opened[1] is not None:
                found.setdefault(opened[1], number)
        elif inside and not below and (key := re.match(r"""\s*["']?([\w-]+)["']?\s*[.=]""", line)):
            found.setdefault(key[1], number)
    return found


def project_file(root: Path) -> Path | None:
    """The project's file, if it has one."""
    return next((root / name for name in (FILE, "pyproject.toml") if (root / name).is_file()), None)


def find_root(folder: Path) -> Path:
    """The root of the project: the nearest folder at or above ``folder`` with a file, else ``folder`` itself."""
    files = (FILE, "pyproject.toml")
    return next((each for each in (folder, *folder.parents) if any((each / file).is_file() for file in files)), folder)


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot be read: {reason(error)}", where=str(path), do="make it readable") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"invalid TOML: {error}", where=str(path), do="correct it there") from error


def _split(table: Any, file: str) -> tuple[dict[str, Given], dict[str, dict[str, Given]]]:
    if not isinstance(table, dict) or not isinstance(table.get(PROFILES, {}), dict):
        raise UsageError("is not a table", where=file, do="write [profiles.<name>] and option = value below it")
    tables = {PROFILES, GATEWAYS} | ({BOARDS} if isinstance(table.get(BOARDS), dict) else set())
    defaults = {name: value for name, value in table.items() if name not in tables}
    profiles = {name: _texts(values, f"{file} profiles.{name}") for name, values in table.get(PROFILES, {}).items()}
    return _texts(defaults, file), profiles


def _texts(values: Any, where: str) -> dict[str, Given]:
    if not isinstance(values, dict):
        raise UsageError("is not a table", where=where, do="write option = value lines below its name")
    StackOptions.check(values, where)
    return {name: Given(written(value), f"{where}: {name}") for name, value in values.items()}


def _profile(chosen: Given | None, profiles: Mapping[str, dict[str, Given]]) -> dict[str, Given]:
    if chosen is None:
        return {}
    if chosen.text not in profiles:
        known = ", ".join(sorted(profiles)) or f"none; write [profiles.{chosen.text}] into {FILE}"
        raise UsageError(f"unknown profile {chosen.text!r}", where=chosen.where, do=f"the profiles are: {known}")
    return profiles[chosen.text]

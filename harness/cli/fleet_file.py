"""``wasmbed.yaml``: a fleet of boards and its applications, as ``wasmbed up`` starts them.

The types here check the file and make its JSON Schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.core.errors import HarnessError, UsageError, suggestion
from harness.core.files import read_text
from harness.stack.applications import parse_targets

__all__ = ["FILE", "Fleet", "FleetApplication", "FleetBoard", "FleetFile", "find_fleet", "read_fleet", "schema"]

FILE = "wasmbed.yaml"
MOST_BOARDS = 100_000
Label = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FleetBoard(_Part):
    """A board, or several of one kind."""

    kind: str = Field(description="Kind of board; see wasmbed boards.")
    count: int | None = Field(
        default=None, ge=1, le=MOST_BOARDS, description="Number of boards, NAME-1 to NAME-N. Without it one: NAME."
    )
    link: str | None = Field(default=None, description="Another link than the board's own: ethernet, plain-serial.")
    labels: dict[str, Label] = Field(default_factory=dict, description="Labels of its Device.")


class FleetApplication(_Part):
    """An application."""

    module: Path = Field(description="A .wasm or .wat file, or a source text (.c, .rs, .ts); relative to this file.")
    to: str = Field(default="all", description="all, labels (site=roof), or names of boards (pump-1,pump-2).")
    memory: int | None = Field(default=None, ge=1, description="Limit of linear memory, in bytes.")
    fuel: int | None = Field(default=None, ge=1, description="Limit of fuel for one call.")
    timeLimit: int | None = Field(default=None, ge=1, description="Limit of time for one call, in milliseconds.")
    entry: str | None = Field(default=None, description="Exported function to call.")
    args: list[str] = Field(default_factory=list, description="Its arguments.")
    env: dict[str, str] = Field(default_factory=dict, description="Its environment.")


class Fleet(_Part):
    """A fleet. Options of the command have precedence over the file."""

    cluster: str | None = Field(default=None, description="As --cluster.")
    gateway: str | None = Field(default=None, description="As --gateway.")
    namespace: Name | None = Field(default=None, description="As --namespace.")
    heartbeat: float | str | None = Field(default=None, description="As --heartbeat: seconds, or a time as 500ms.")
    faults: Path | None = Field(default=None, description="File with a schedule of faults, relative to this file.")
    boards: dict[Name, FleetBoard] = Field(default_factory=dict, description="The boards by name.")
    applications: dict[Name, FleetApplication] = Field(default_factory=dict, description="The applications by name.")


class FleetFile:
    """A fleet and where each part of it stands in its file."""

    def __init__(self, path: Path, fleet: Fleet, root: yaml.Node | None) -> None:
        self.path, self.fleet, self._root = path, fleet, root

    def where(self, *keys: str) -> str:
        """File, line and key, for errors."""
        return _where(self.path, self._root, keys)

    def blamed(self, error: HarnessError, *keys: str) -> HarnessError:
        """The same error, in the file and not in an option."""
        return type(error)(error.what, where=self.where(*keys), do=error.do)

    def boards(self) -> Iterator[tuple[str, FleetBoard]]:
        """Each board by its name."""
        for name, board in self.fleet.boards.items():
            numbers = [""] if board.count is None else [f"-{number}" for number in range(1, board.count + 1)]
            yield from ((f"{name}{number}", board) for number in numbers)

    def placed(self, path: Path) -> Path:
        """A path that is relative to the file."""
        return self.path.parent / path.expanduser()


def schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Fleet.model_json_schema(), "title": FILE}


def find_fleet(given: Path | None) -> FleetFile | None:
    """The fleet in the ``given`` file, or in the present folder's ``wasmbed.yaml``; None if there is none."""
    if given is None and not Path(FILE).exists():
        return None
    return read_fleet(given or Path(FILE))


def read_fleet(path: Path) -> FleetFile:
    """Read a file. Raises UsageError with the line and the key of the first mistake."""
    do = "correct it there; wasmbed up --schema describes the file"
    text = read_text(path, "name a fleet's file: --file")
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        _check_unique(path, root)
        content = yaml.safe_load(text)
        fleet = Fleet.model_validate({} if content is None else content)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark is not None else ""
        raise UsageError(f"invalid YAML: {error.problem}", where=f"{path}{line}", do=do) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError("invalid YAML", where=str(path), do=do) from error
    except ValidationError as error:
        raise _explained(path, root, error, do) from error
    file = FleetFile(path, fleet, root)
    _check_targets(file)
    return file


def _check_targets(file: FleetFile) -> None:
    names = {name for name, _ in file.boards()}
    labels = {f"{key}={value}" for board in file.fleet.boards.values() for key, value in board.labels.items()}
    for name, application in file.fleet.applications.items():
        where = file.where("applications", name, "to")
        try:
            chosen = parse_targets(application.to)
        except UsageError as error:
            raise UsageError(error.what, where=where, do=error.do) from error
        wanted = {f"{key}={value}" for key, value in chosen.get("match_labels", {}).items()}
        for what, given, known in (("board", set(chosen.get("device_names", ())), names), ("label", wanted, labels)):
            if absent := sorted(given - known):
                offer = f"{suggestion(absent[0], known)}{what}s in this file: {', '.join(sorted(known)[:20]) or 'none'}"
                raise UsageError(f"unknown {what} {absent[0]!r}", where=where, do=offer)


def _explained(path: Path, root: yaml.Node | None, error: ValidationError, do: str) -> HarnessError:
    unknown_first = sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    first, *more = unknown_first
    keys = [str(key) for key in first["loc"] if key != "[key]"]
    what = first["msg"]
    if first["type"] == "extra_forbidden":
        parent = {0: Fleet, 2: FleetBoard if keys[0] == "boards" else FleetApplication}.get(len(keys) - 1, Fleet)
        known = list(parent.model_fields)
        what = "unknown key"
        do = f"{suggestion(keys[-1], known)}known keys: {', '.join(known)}"
    elif first["type"] in ("model_type", "dict_type"):
        what = "must be a mapping of keys to values"
    elif first["type"] == "string_pattern_mismatch":
        what = f"invalid: {first['input']!r}"
        do = "names have a-z, 0-9 and -; labels also A-Z, _ and dots; both at most 63 characters"
    rest = f" (and {len(more)} more)" if more else ""
    return UsageError(f"{what}{rest}", where=_where(path, root, keys), do=do)


def _where(path: Path, root: yaml.Node | None, keys: Any) -> str:
    node, line = root, root.start_mark.line if root is not None else 0
    for key in keys:
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        found = next((pair for pair in pairs if pair[0].value == key), None)
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return f"{path}:{line + 1}: {'.'.join(keys)}" if keys else str(path)


def _check_unique(path: Path, node: yaml.Node | None) -> None:
    """Raise UsageError for a key that is there twice: YAML would take the last without a word."""
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _check_unique(path, each)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if key.value in seen:
                line = seen[key.value]
                where = f"{path}:{key.start_mark.line + 1}: {key.value}"
                raise UsageError(f"is there already, in line {line}", where=where, do="remove one of them")
            seen[key.value] = key.start_mark.line + 1
            _check_unique(path, value)

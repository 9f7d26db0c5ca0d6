"""Operations of the terminal: its list of commands, and one command's output."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import yaml
from pydantic import Field
from typing_extensions import TypedDict

from harness.core.clock import Clock
from harness.wasmbed.api.access import Access
from harness.wasmbed.api.cluster import ClusterParts
from harness.wasmbed.api.forms import ONE_LINE
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.overview import Overview
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.api.tables import lay_out, table
from harness.wasmbed.api.terminal_commands import COMMANDS, LONGEST, Action, Given, read_command
from harness.wasmbed.resources.api import NotFound, Object, Resource, ResourceApi

__all__ = ["Terminal"]

WITHIN = 10.0
"""Seconds for a command."""
LARGEST = 64 << 10
"""Characters of an output."""
_LONGEST_TEXT = 200
"""Characters of a text in YAML: a module is longer."""


class TypedCommand(Body):
    """A command as it was typed."""

    command: Annotated[str, Field(pattern=ONE_LINE, max_length=LONGEST)]
    command_id: Annotated[str | int | None, Field(description="As the original's clients send it.")] = None
    commandId: Annotated[str | int | None, Field(description="As the original's dashboard sends it.")] = None


class Output(TypedDict):
    """The answer to a command."""

    success: Literal[True]
    output: str
    error: None
    truncated: bool


class ListedCommand(TypedDict):
    """A command."""

    name: str
    category: str
    command: Annotated[str, Field(description="How it begins.")]
    usage: Annotated[str, Field(description="With its arguments; those in brackets may be left out.")]
    shows: str


class Commands(TypedDict):
    """The commands."""

    commands: list[ListedCommand]


class Terminal:
    """The operations."""

    def __init__(self, api: ResourceApi, access: Access, clock: Clock, overview: Overview, parts: ClusterParts) -> None:
        self._api, self._access, self._clock = api, access, clock
        self._overview, self._parts = overview, parts

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        use = Right("create", "terminals")
        return [
            Operation(
                name="listCommands", method="GET", path="/api/v1/terminal/commands", run=self._list, answer=Commands,
                right=use, summary="The terminal's commands.",
            ),
            Operation(
                name="executeCommand", method="POST", path="/api/v1/terminal/execute", run=self._execute,
                answer=Output, body=TypedCommand, right=use, refusals=(404,), changes=False,
                summary="The output of one of the commands. It needs the right to what it reads, too.",
            ),
        ]  # fmt: skip

    async def _list(self, call: Call[NoBody, NoQuery]) -> Answer:
        answer: Commands = {
            "commands": [
                {
                    "name": each.name,
                    "category": each.category,
                    "command": each.line,
                    "usage": each.usage,
                    "shows": each.action.value,
                }
                for each in COMMANDS
            ]
        }
        return Answer(answer)

    async def _execute(self, call: Call[TypedCommand, NoQuery]) -> Answer:
        call.audit["command"] = call.body.command
        given = read_command(call.body.command)
        for right in given.rights():
            await self._access.check(call.caller, right)
        try:
            async with self._clock.deadline(WITHIN):
                text = "\n".join(await self._output(given))
        except TimeoutError as error:
            detail = f"the cluster did not answer {given.command.line} within {WITHIN:g} s"
            raise Problem(503, detail, headers={"Retry-After": "5"}) from error
        answer: Output = {
            "success": True, "output": text[:LARGEST], "error": None, "truncated": len(text) > LARGEST,
        }  # fmt: skip
        return Answer(answer)

    async def _output(self, given: Given) -> list[str]:
        command = given.command
        match command.action:
            case Action.LIST:
                return await self._tables(given)
            case Action.DESCRIBE:
                (kind,) = command.kinds
                return yaml.safe_dump(_shortened(await self._one(kind, given.name or "")), sort_keys=False).splitlines()
            case Action.LOGS:
                lines = await self._parts.read_logs(command.component)
                return [f"{each.at} {each.level.upper()} {each.message}" for each in lines]
            case Action.USE:
                uses = await self._parts.read_use()
                return lay_out(
                    [["NAME", "CPU", "MEMORY"], *([each["name"], each["cpu"], each["memory"]] for each in uses)]
                )
            case Action.STATUS:
                return yaml.safe_dump(dict(self._overview.status()), sort_keys=False).splitlines()

    async def _tables(self, given: Given) -> list[str]:
        lines: list[str] = []
        for kind in given.command.kinds:
            found = [await self._one(kind, given.name)] if given.name else (await self._api.list(kind)).items
            if len(given.command.kinds) > 1:
                lines += [f"{kind.plural}:"]
            lines += table(kind, found, self._clock.now(), wide=given.wide) if found else ["No resources found."]
        return lines

    async def _one(self, kind: Resource, name: str) -> Object:
        try:
            return await self._api.get(kind, name)
        except NotFound as error:
            raise Problem(404, f"there is no {kind.kind.lower()} {name}") from error


def _shortened(value: Any) -> Any:
    """Return an object for people: without the record of its writers, and without long texts."""
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items() if name != "managedFields"}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"({len(value)} characters)"
    return value

"""Commands that run until they are stopped, as separate processes."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.cli.command import Command, Start


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts commands; those that still run at the end of the test are killed."""
    commands: list[Command] = []

    def start(*arguments: str, output: int = subprocess.PIPE, prelude: str = "") -> Command:
        commands.append(Command(*arguments, output=output, prelude=prelude))
        return commands[-1]

    yield start
    for command in commands:
        if command.process.poll() is None:
            command.process.kill()
            command.end()

"""What pytest's tests are called elsewhere: in JUnit XML, and on the command line that runs one again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

import pytest

__all__ = ["case_of", "rerun_command", "unique_name"]


def unique_name(nodeid: str, worker: str | None = None, number: int = 1) -> str:
    """The name of a test that no other in its run has. ``worker`` is given where each of them runs all tests, and
    ``number`` counts the tests of the same id."""
    return nodeid + (f" ({worker})" if worker else "") + (f" (#{number})" if number > 1 else "")


def case_of(nodeid: str) -> tuple[str, str]:
    """The class and the name of a test as ``pytest --junitxml`` has them; ``::`` in a parameter does not split it."""
    path, separator, rest = nodeid.partition("::")
    module = path.replace("/", ".").removesuffix(".py")
    if not separator:
        return "", module
    names, bracket, parameters = rest.partition("[")
    *classes, name = names.split("::")
    return ".".join([module, *classes]), name + bracket + parameters


def rerun_command(config: pytest.Config, nodeid: str, options: Sequence[str] = ()) -> str:
    """The command that runs one test again, from the folder in which this run was started.

    Node ids are relative to pytest's root, which may be another folder. What decides over the root and the plugins is
    repeated from this run's command line.
    """
    path, separator, rest = nodeid.partition("::")
    given = config.invocation_params.dir
    place = os.path.relpath(config.rootpath / path, given)
    words = ["pytest", place + separator + rest]
    option = config.option
    for name, value in (("-c", option.inifilename), ("--rootdir", option.rootdir)):
        words += [name, str(value)] if value else []
    for plugin in option.plugins or ():
        words += [] if plugin.startswith("no:") else ["-p", plugin]
    for setting in option.override_ini or ():
        words += ["-o", setting]
    return shlex.join([*words, *options])

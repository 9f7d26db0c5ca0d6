"""The names of pytest's tests in JUnit XML and in the command that runs one again."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

import pytest

__all__ = ["case_of", "rerun_command", "unique_name"]


def unique_name(nodeid: str, worker: str | None = None, number: int = 1) -> str:
    """A name for a test that is unique in its run. ``worker`` is given if each worker runs all tests; ``number`` counts
    the tests of the same id."""
    return nodeid + (f" ({worker})" if worker else "") + (f" (#{number})" if number > 1 else "")


def case_of(nodeid: str) -> tuple[str, str]:
    """The class and name of a test as in ``pytest --junitxml``. A ``::`` in a parameter does not split the name."""
    path, separator, rest = nodeid.partition("::")
    module = path.replace("/", ".").removesuffix(".py")
    if not separator:
        return "", module
    names, bracket, parameters = rest.partition("[")
    *classes, name = names.split("::")
    return ".".join([module, *classes]), name + bracket + parameters


def rerun_command(config: pytest.Config, nodeid: str, options: Sequence[str] = ()) -> str:
    """The command that runs one test again, from the folder in which this run was started.

    Node ids are relative to pytest's root, which may be another folder. The arguments of this run that select the root
    and the plugins are repeated.
    """
    path, separator, rest = nodeid.partition("::")
    file = os.path.relpath(config.rootpath / path, config.invocation_params.dir)
    arguments = ["pytest", file + separator + rest]
    option = config.option
    for name, value in (("-c", option.inifilename), ("--rootdir", option.rootdir)):
        arguments += [name, str(value)] if value else []
    for plugin in option.plugins or ():
        arguments += [] if plugin.startswith("no:") else ["-p", plugin]
    for setting in option.override_ini or ():
        arguments += ["-o", setting]
    return shlex.join([*arguments, *options])

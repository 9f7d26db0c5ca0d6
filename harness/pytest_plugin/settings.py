"""pytest's command line and the environment, made into the options of a stack."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.stack import sources
from harness.stack.options import StackOptions, flag

__all__ = ["add_options", "options_of", "project", "read_defaults", "read_options"]


def add_options(parser: pytest.Parser) -> None:
    """Offer every option of a stack, and ``--live``."""
    group = parser.getgroup("wasmbed", "Wasmbed harness (each also as an environment variable, WASMBED_<NAME>)")
    for option in dataclasses.fields(StackOptions):
        default = "" if option.default is None else f" (default {option.default})"
        group.addoption(
            f"--{flag(option.name)}",
            default=None,
            metavar=option.metadata["metavar"],
            help=option.metadata["help"] + default,
        )
    group.addoption("--live", action="store_true", help="show what the devices are doing while a test runs")


def project(config: pytest.Config) -> Path:
    """The project's folder: pytest's root, or the one above it that has the harness's file."""
    return sources.find_root(config.rootpath)


def read_options(config: pytest.Config, environment: Mapping[str, str]) -> StackOptions:
    """The options of this run. Raises UsageError."""
    return sources.read_options(vars(config.option), environment, project(config))


def read_defaults(config: pytest.Config) -> StackOptions:
    """The options of a run that nobody gave any. Raises UsageError."""
    return StackOptions.of(sources.read_file(project(config))[0])


def options_of(item: pytest.Item, options: StackOptions) -> StackOptions:
    """``options`` as the test's ``stack`` markers change them, the closest marker last, with the project's folder
    before a relative path. Raises UsageError."""
    for marker in reversed(list(item.iter_markers("stack"))):
        options = options.replace(**marker.kwargs)
    return options.replace(modules=project(item.config) / options.modules)

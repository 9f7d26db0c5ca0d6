"""Reads a stack's options from pytest's command line and the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.stack import sources
from harness.stack.options import StackOptions, flag, written
from harness.stack.surroundings import in_virtual_time

__all__ = ["MARKERS", "add_options", "options_of", "project", "read_defaults", "read_options", "required"]

MARKERS = (
    "stack(**options): options of this test's stack, as in stack(heartbeat=0.5)",
    "requires(*features): skip if the boards lack one, as in requires('csr')",
    "severity(level): blocker, critical, normal, minor or trivial, for reports",
    "link(url, name=None, type='link'): a link in reports; type may be 'issue' or 'tms'",
)


def add_options(parser: pytest.Parser) -> None:
    """Add all options of a stack, ``--live`` and ``--shard``."""
    group = parser.getgroup("wasmbed", "Wasmbed harness (options may also be environment variables, WASMBED_<NAME>)")
    for option in dataclasses.fields(StackOptions):
        default = "" if option.default is None else f" (default {written(option.default)})"
        group.addoption(
            f"--{flag(option.name)}",
            default=None,
            metavar=option.metadata["metavar"],
            help=option.metadata["help"] + default,
        )
    group.addoption("--live", action="store_true", help="show the phases of devices and applications while a test runs")
    group.addoption("--shard", metavar="I/N", help="run only the tests of this shard of N, from 0; see wasmbed merge")


def project(config: pytest.Config) -> Path:
    """The project's folder: pytest's root, or the nearest one above it with the harness's file."""
    return sources.find_root(config.rootpath)


def read_options(config: pytest.Config, environment: Mapping[str, str]) -> StackOptions:
    """The options of this run. Raises UsageError."""
    return sources.read_options(vars(config.option), environment, project(config))


def read_defaults(config: pytest.Config) -> StackOptions:
    """The project's default options, without a command line. Raises UsageError."""
    return StackOptions.of(sources.read_file(project(config))[0])


def required(item: pytest.Item) -> set[str]:
    """The features that a test requires."""
    return {str(feature) for marker in item.iter_markers("requires") for feature in marker.args}


def options_of(item: pytest.Item, options: StackOptions) -> StackOptions:
    """``options`` changed by the test's ``stack`` markers, of which the closest wins. A relative folder of modules is
    below the project's folder. A simulation has simulated boards where a test asks for virtual ones; a test that
    requires virtual time is simulated where that is possible. Raises UsageError."""
    run = options
    for marker in reversed(list(item.iter_markers("stack"))):
        options = options.replace(**marker.kwargs)
    if run.simulated and options.boards == "virtual":
        options = options.replace(boards="sim")
    elif "virtual-time" in required(item):
        options = in_virtual_time(options)
    return options.replace(modules=project(item.config) / options.modules)

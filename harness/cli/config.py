"""``wasmbed config``: the settings of a platform on this machine, checked, as they take effect."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

__all__ = ["config", "settings_options"]


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--settings`` and ``--set``."""
    command = click.option(
        "--set", "pairs", metavar="TABLE.NAME=VALUE", multiple=True, help="A setting that has precedence over the file."
    )(command)
    return click.option(
        "--settings",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File with settings.  [default: wasmbed.toml, if there is one here]",
    )(command)


@click.command()
@settings_options
@click.option("--schema", "shows_schema", is_flag=True, help="Print the JSON Schema of the file instead.")
def config(settings: Path | None, pairs: Sequence[str], shows_schema: bool) -> None:
    """Print all settings of the platform as they take effect, as a file with which it would start."""
    import tomli_w

    from harness.platform.settings import read_settings, schema

    if shows_schema:
        click.echo(json.dumps(schema(), indent=2))
    else:
        click.echo(tomli_w.dumps(read_settings(settings, pairs).table()), nl=False)

"""``-o``: the form of what a command shows. What is for programs has a documented shape (:mod:`harness.cli.shapes`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from harness.cli.output import say

__all__ = ["form_option", "show_change", "show_document"]

FORMS = ("table", "wide", "json", "yaml", "name")


def form_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``-o``, as ``form``."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(FORMS),
        default="table",
        show_default=True,
        help="Form of the output: wide has more columns, name has names only (device/pump-1); docs/reference/output.md "
        "describes json and yaml.",
    )(command)


def show_document(form: str, document: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Print what was found, or its ``names``; False if the form is for people, and it is not printed."""
    if form == "name":
        for name in names:
            say(name)
    elif form == "json":
        import json

        say(json.dumps(document, indent=2))
    elif form == "yaml":
        say(_yaml(document), nl=False)
    return form not in ("table", "wide")


def show_change(form: str, change: Mapping[str, Any], names: Iterable[str]) -> bool:
    """As :func:`show_document`, for one change of many: JSON in one line, YAML as a document of its own."""
    if form == "json":
        import json

        say(json.dumps(change))
        return True
    if form == "yaml":
        say(f"---\n{_yaml(change)}", nl=False)
        return True
    return show_document(form, change, names)


def _yaml(document: Mapping[str, Any]) -> str:
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=False)
    return text

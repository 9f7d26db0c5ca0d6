"""Kubeconfig files as kubectl reads them: which one counts, and where the paths in it begin."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError

__all__ = ["absolute_paths", "kubeconfig_of_environment"]

_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
"""The members of a kubeconfig's clusters and users whose relative paths begin in its folder."""


def absolute_paths(config: Any, folder: Path) -> None:
    """Replace the relative paths in a kubeconfig's content by absolute ones from its ``folder``, as kubectl reads them:
    files, and commands of credential plugins that are not looked up in ``PATH``. Leaves what is not a kubeconfig."""
    try:
        entries = [each["cluster"] for each in config["clusters"]] + [
            each["user"] for each in config.get("users") or ()
        ]
    except (TypeError, AttributeError, LookupError):
        return
    for entry, key in itertools.product(entries, (*_FILES, "command")):
        found = entry.get("exec") if isinstance(entry, dict) and key == "command" else entry
        if not isinstance(found, dict) or not isinstance(path := found.get(key), str):
            continue
        if path and (key != "command" or os.sep in path):
            found[key] = str(folder / path)


def kubeconfig_of_environment() -> Path | None:
    """The file in ``KUBECONFIG``; None where it is not set.

    Raises UsageError for several files: kubectl uses the current context of the first that has one, the official Python
    client that of the last.
    """
    names = [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    found = [name for name in names if Path(name).is_file()] or names[:1]
    if len(found) > 1:
        raise UsageError(
            f"names {len(found)} files: {' and '.join(found)}",
            where="KUBECONFIG",
            do="merge them: kubectl config view --flatten --minify > FILE; and use --kubeconfig=FILE",
        )
    return Path(found[0]) if found else None

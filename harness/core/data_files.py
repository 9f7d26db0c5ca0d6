"""Finds the harness's data files: board descriptions, sequences, modules."""

from __future__ import annotations

from pathlib import Path

__all__ = ["data_folder"]

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "data"
"""Where a wheel puts them (see ``setup.py``); in the repository they are beside the package."""


def data_folder(folder: str) -> Path:
    """A folder of the repository, for example ``scenarios/sequences``, wherever the harness is installed."""
    return (_INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent) / folder

"""The themes, one a module: each has a ``THEME``, or ``THEMES``."""

from __future__ import annotations

import importlib
import pkgutil

from tests.clusters.differential.requests import Theme

__all__ = ["themes"]


def themes() -> list[Theme]:
    """All themes, by the names of their modules."""
    found: list[Theme] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        loaded = importlib.import_module(f"{__name__}.{module}")
        found += loaded.THEMES if hasattr(loaded, "THEMES") else [loaded.THEME]
    return found

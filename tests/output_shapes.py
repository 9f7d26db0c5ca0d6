"""The documented shapes of the commands' output, and a check that a document has the one of its command."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

__all__ = ["check_shape", "output_reference"]

_FILE = Path(__file__).parents[1] / "docs" / "output_reference.py"
_SPEC = importlib.util.spec_from_file_location("output_reference", _FILE)
assert _SPEC is not None
assert _SPEC.loader is not None
output_reference = importlib.util.module_from_spec(_SPEC)
"""``docs/output_reference.py``."""
_SPEC.loader.exec_module(output_reference)


def check_shape(command: str, document: Any) -> None:
    """Raise unless the document has the shape of the command, and nothing beside it."""
    output_reference.adapter(command, extra="forbid", strict=True).validate_python([document])

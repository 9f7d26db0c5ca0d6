"""The audit log of a server that runs by itself: a line of JSON for each change that was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.core.logs import get_log

__all__ = ["note"]

log = get_log(__name__)


def note(source: str, target: str, name: str, data: Mapping[str, Any], about: str) -> None:
    """Write an answer, as a :class:`harness.core.history.Tap`. JSON in ASCII, so that no word of a caller's begins a
    line."""
    if (source, target) != ("ApiServer", "User") or data.get("method") in (None, "GET", "HEAD"):
        return
    log.info("%s", json.dumps({"operation": name, **data, "about": about}))

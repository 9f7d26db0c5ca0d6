"""The audit log of a server that runs by itself: a line of JSON for each change that was asked for, and each refusal.

Nobody can fill it: what is refused to strangers, and to those who ask too often, is not in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.core.logs import get_log

__all__ = ["is_kept", "note"]

log = get_log(__name__)


def is_kept(source: str, data: Mapping[str, Any]) -> bool:
    """Whether a message of an :class:`harness.wasmbed.api.exchange.Exchange` is for the audit log."""
    if source != "ApiServer" or "code" not in data or data["code"] in (401, 429):
        return False
    return data["method"] not in ("GET", "HEAD") or data["code"] >= 400


def note(source: str, target: str, name: str, data: Mapping[str, Any], about: str) -> None:
    """Write one, as a :class:`harness.core.history.Tap`. JSON in ASCII, so that no word of a caller's begins a line."""
    if is_kept(source, data):
        log.info("%s", json.dumps({"operation": name, **data, "about": about}))

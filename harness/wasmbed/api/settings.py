"""The settings of an API server."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.core.http_door import HttpPlaces
from harness.core.network import Endpoint
from harness.wasmbed.compile.results import BoardRoom
from harness.wasmbed.compile.service import CompileSettings

__all__ = ["ApiSettings"]


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Times in seconds.

    ``origins``: web pages of other origins that may call it (CORS). ``rate`` and ``burst``: requests of one caller in a
    second, and at once. ``trusted_for``: how long the answer about a token or a right is used again. ``kept_events``:
    the changes that a subscriber can ask for after a break. ``boards``: the kinds that a module is compared
    with. ``infrastructure``: the infrastructure service's URL, empty without one.
    """

    http: Endpoint = ("127.0.0.1", 0)
    origins: tuple[str, ...] = ()
    rate: float = 50.0
    burst: int = 200
    trusted_for: float = 10.0
    kept_events: int = 4096
    compile: CompileSettings = field(default_factory=CompileSettings)
    boards: tuple[BoardRoom, ...] = ()
    infrastructure: str = ""
    subscribers: int = 512
    body_limit: int = 2 << 20
    timeout: float = 30.0
    places: HttpPlaces = field(
        default_factory=lambda: HttpPlaces(connections=1024, per_address=256, timeout=30.0, idle=120.0)
    )

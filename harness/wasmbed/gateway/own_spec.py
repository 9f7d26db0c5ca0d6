"""The gateway's own Gateway object: what people write into its spec takes effect while the gateway runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.core.clock import Clock
from harness.core.logs import get_log
from harness.wasmbed.gateway.sessions import Sessions
from harness.wasmbed.gateway.settings import CHANGEABLE, GatewaySettings
from harness.wasmbed.resources.timestamps import parse_timestamp
from harness.wasmbed.resources.views import GatewayConfig, GatewayPairing, GatewaySpec

__all__ = ["OwnSpec"]

log = get_log(__name__)

_LEAST_MISSED = 2
"""Heartbeat intervals that a session outlives at least: one heartbeat may be late."""


class OwnSpec:
    """Applies ``capacity``, ``config``, ``enabled``, and ``pairing`` of a spec. The capacity bounds new sessions only.

    ``settings`` are those in force, which the whole gateway reads. Those that it was started with are kept, and count
    again when a field is removed.
    """

    def __init__(self, settings: GatewaySettings, sessions: Sessions, clock: Clock) -> None:
        self._settings, self._own, self._sessions, self._clock = settings, replace(settings), sessions, clock
        self._spec = GatewaySpec({})
        self._disabled: list[Callable[[], object]] = []

    def on_disabled(self, handler: Callable[[], object]) -> None:
        """Call ``handler`` whenever the gateway is disabled."""
        self._disabled.append(handler)

    @property
    def pairs_without_token(self) -> bool:
        """Whether a device may enroll now without certificate and token."""
        pairing: GatewayPairing = self._spec.pairing
        if pairing.mode != "on":
            return False
        return pairing.until is None or self._clock.now() < parse_timestamp(pairing.until)

    def take_on(self, settings: GatewaySettings) -> tuple[list[str], list[str]]:
        """Change the gateway's own settings, as :meth:`GatewaySettings.take_on` does. Those in the spec still count."""
        changed, kept = self._own.take_on(settings)
        for name in CHANGEABLE:
            setattr(self._settings, name, getattr(self._own, name))
        self._apply(self._spec.config)
        return changed, kept

    def follow(self, spec: GatewaySpec) -> None:
        """Take on the spec as it is now."""
        before, self._spec = self._spec, spec
        if before.config != spec.config:
            self._apply(spec.config)
        if before.capacity != spec.capacity:
            self._sessions.capacity = spec.capacity
            log.info("gateway %s: it takes %d devices now", self._settings.name, self._sessions.most)
        self._sessions.disabled = not spec.enabled
        if before.enabled and not spec.enabled:
            log.warning("gateway %s is disabled by its spec: it ends its sessions", self._settings.name)
            for handler in self._disabled:
                handler()

    def _apply(self, config: GatewayConfig) -> None:
        own = self._own
        interval = config.heartbeat_interval or own.heartbeat_interval
        missed = own.missed_heartbeats
        if config.connection_timeout is not None:
            missed = max(_LEAST_MISSED, math.ceil(config.connection_timeout / interval))
        times: dict[str, Any] = {
            "heartbeat_interval": interval,
            "missed_heartbeats": missed,
            "enrollment_timeout": config.enrollment_timeout or own.enrollment_timeout,
        }
        for name, value in times.items():
            if getattr(self._settings, name) != value:
                log.info("gateway %s: %s is now %g", self._settings.name, name, value)
            setattr(self._settings, name, value)

"""Applications in the dialect of the fork: a deployment is one message, and what becomes of it a number.

A virtual board runs applications by the messages of protocol 1. This module translates the dialect's messages into
those, and back. What has no place in the dialect is left out: acknowledgments of chunks, metrics of a result, and
publications. Codes become a part of the error's text.
"""

from __future__ import annotations

import hashlib

from harness.wasmbed.protocol.dialects.messages import (
    ApplicationConfig,
    DeployModule,
    DialectMessage,
    NumberedState,
    NumberedStatus,
)
from harness.wasmbed.protocol.messages import (
    ApplicationState,
    ApplicationStatus,
    Deploy,
    DeploymentResult,
    DeviceMessage,
    Limits,
    ModuleChunk,
    RuntimeFault,
    StopResult,
)

__all__ = ["announced", "reported"]

ENTRY = "run"
"""The export that is called: the dialect names none."""
FUEL = 1_000_000_000
"""Units for one call: the dialect bounds only its time."""
CONFIG = ApplicationConfig(memory=1 << 20, cpu_time=1_000)
"""The limits that the original takes where a deployment has no configuration."""
_STATES = {
    ApplicationState.RECEIVING: NumberedState.DEPLOYING,
    ApplicationState.DEPLOYED: NumberedState.DEPLOYING,
    ApplicationState.RUNNING: NumberedState.RUNNING,
    ApplicationState.FAILED: NumberedState.FAILED,
    ApplicationState.ERROR: NumberedState.FAILED,
}


def announced(message: DeployModule) -> tuple[Deploy, ModuleChunk]:
    """A deployment as the announcement of one chunk, and that chunk."""
    config, module = message.config or CONFIG, message.module
    limits = Limits(config.memory, FUEL, config.cpu_time)
    digest, size = hashlib.sha256(module).digest(), len(module)
    arguments, environment = tuple(config.arguments), config.environment or None
    deploy = Deploy(message.application_id, message.name, size, digest, size, limits, ENTRY, arguments, environment)
    return deploy, ModuleChunk(message.application_id, 0, module)


def reported(message: DeviceMessage) -> DialectMessage | None:
    """Translate a report of the board about an application; None for what the dialect has no words for.

    An application that is not on the board is in no known state.
    """
    if isinstance(message, DeploymentResult):
        return DeploymentResult(message.application_id, message.ok, _with_code(message.code, message.error))
    if isinstance(message, StopResult):
        return message
    if isinstance(message, RuntimeFault):
        error = _with_code(message.code, message.message)
        return NumberedStatus(message.application_id, NumberedState.FAILED, error)
    if isinstance(message, ApplicationStatus):
        state = _STATES.get(message.state, NumberedState.UNKNOWN)
        return NumberedStatus(message.application_id, state, message.error if message.state in _STATES else None)
    return None


def _with_code(code: str | None, error: str | None) -> str | None:
    return f"{code}: {error}" if code and error else error

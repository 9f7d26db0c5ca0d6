"""The log of a controller when a request fails."""

from __future__ import annotations

import pytest

from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.wasmbed.controllers.controller import Controller
from harness.wasmbed.resources.api import ApiError


class Failing(Controller):
    """Fails once with a given error."""

    name = "Gateway"

    def __init__(self, error: Exception) -> None:
        super().__init__(SystemClock(), Randomness(1), resync=60)
        self.error: Exception | None = error

    def watch(self):
        return ()

    def keys(self):
        return ("gateway-1",)

    async def reconcile(self, key: str) -> float | None:
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.finish()
        return None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "timed out"),
        (ConnectionResetError(), "connection reset error"),
        (OSError(111, "Connect call failed ('127.0.0.1', 80)"), "Connect call failed 127.0.0.1:80: Connection refused"),
        (ApiError({}), "api error"),
    ],
)
async def test_a_failure_has_a_reason(error: Exception, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    await Failing(error).run()
    assert caplog.messages == [f"Gateway gateway-1: {reason}; trying again"]

"""Notes in the record when the machine stands still: judges of time then judge nothing, whatever the board did."""

from __future__ import annotations

from harness.core.clock import Clock
from harness.stack.recorder import Recorder

__all__ = ["note_stalls"]

LOOK = 0.25
"""Seconds between two looks at the clock."""
LATE = 0.25
"""Seconds by which a look may be late before that is noted."""


async def note_stalls(recorder: Recorder, clock: Clock) -> None:
    """Note ``stood still``, with the seconds, each time that this event loop was held up, until it is cancelled."""
    while True:
        due = clock.now() + LOOK
        await clock.sleep(LOOK)
        late = clock.now() - due
        if late > LATE:
            recorder.note("stood still", seconds=round(late, 3))

"""Keywords that search and judge the history."""

from __future__ import annotations

from typing import Any

from harness.core.errors import ProductFailure
from harness.core.history import Event, Kind
from harness.robot_library.arguments import USUAL, About, Duration, name_of, status_of
from harness.robot_library.async_keywords import StackKeywords, async_keyword

__all__ = ["JudgeKeywords"]


class JudgeKeywords(StackKeywords):
    """Keywords about the history."""

    @async_keyword("history")
    async def history_should_follow(self, sequence: str, *only: About) -> None:
        """Judge the history so far by a sequence, an executable diagram, for each device or application in it, or only
        for those given. ``wasmbed sequences`` lists the sequences.

        | History Should Follow    device-enrollment
        """
        self.stack.history.follows(sequence, only=[name_of(self.stack, each) for each in only])

    @async_keyword("history")
    async def every_invariant_should_hold(self) -> None:
        """Judge the history so far by the invariants. This also happens at the end of each test that passed."""
        self.stack.judge()

    @async_keyword("history")
    async def wait_for_event(
        self,
        name: str,
        about: About | None = None,
        within: Duration = USUAL,
        *,
        kind: Kind | None = None,
        source: str | None = None,
        target: str | None = None,
        after: Event | None = None,
        **data: Any,
    ) -> Event:
        """Wait for an event and return it. Earlier events count too, but only those ``after`` another event if one is
        given. Further arguments are conditions on fields of the event's data.

        | ${refused}=    Wait For Event    Error    ${board}    source=Gateway    code=CERTIFICATE_INVALID
        | Wait For Event    ConnectionClosed    ${board}    after=${refused}
        """
        return await self.stack.history.until(
            name,
            within=within,
            kind=kind,
            source=source,
            target=target,
            about=self._about(about),
            after=after,
            **status_of(data),
        )

    @async_keyword("history")
    async def get_events(
        self,
        name: str | None = None,
        about: About | None = None,
        *,
        kind: Kind | None = None,
        source: str | None = None,
        target: str | None = None,
        **data: Any,
    ) -> list[Event]:
        """Return the events so far that match; see `Wait For Event`.

        | ${requests}=    Get Events    EnrollmentRequest    ${board}
        | Length Should Be    ${requests}    1
        """
        return self.stack.history.find(
            name, kind=kind, source=source, target=target, about=self._about(about), **status_of(data)
        )

    @async_keyword("history")
    async def event_should_not_have_happened(
        self, name: str, about: About | None = None, *, source: str | None = None, **data: Any
    ) -> None:
        """Fail if a matching event has happened so far."""
        found = self.stack.history.find(name, source=source, about=self._about(about), **status_of(data))
        if found:
            raise ProductFailure(f"{name} happened {len(found)} times, first as event {found[0].n}", where="history")

    @async_keyword("history")
    async def add_note(self, text: str, about: About = "") -> None:
        """Write a remark into the history, as a mark for readers of the report."""
        self.stack.history.note(text, self._about(about) or "")

    def _about(self, about: About | None) -> str | None:
        return None if about is None else name_of(self.stack, about)

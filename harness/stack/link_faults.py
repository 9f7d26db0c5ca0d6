"""Disturbs the links between boards and gateways, which pass a relay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from harness.boards.board import Board
from harness.core.errors import UsageError
from harness.gateways.relay.faults import NO_FAULT, LinkFault
from harness.stack.recorder import Recorder

if TYPE_CHECKING:
    from harness.stack.gateways import GatewayControl

__all__ = ["LinkFaults"]


class LinkFaults:
    """Disturbances between boards and gateways, the same for every kind of gateway.

    The links of the kind ``reference`` pass a relay with the option ``relay`` only.
    """

    def __init__(
        self,
        gateways: Callable[[], Iterable[GatewayControl]],
        device_of: Callable[[Board | str], str],
        recorder: Recorder,
    ) -> None:
        self._gateways, self._device_of, self._recorder = gateways, device_of, recorder
        self._faults: dict[str, LinkFault] = {}

    def disturb(self, board: Board | str | None = None, **what: Any) -> None:
        """Disturb the links of a board, or of all, until :meth:`restore`; ``what`` are fields of
        :class:`~harness.gateways.relay.faults.LinkFault`, as in ``disturb(board, delay=0.2)``.

        Raises UsageError for an invalid value, and where links pass no relay or cannot be disturbed so.
        """
        try:
            fault = LinkFault(**what)
        except TypeError as error:
            known = ", ".join(each.name for each in fields(LinkFault))
            raise UsageError(str(error), where="disturb()", do=f"the disturbances are {known}") from error
        if fault == NO_FAULT:
            raise UsageError("is not a disturbance", where="disturb()", do="say what to do, as in delay=0.2")
        device = self._device(board)
        for gateway in self._gateways():
            gateway.check_disturb(fault, device)
        self._recorder.fault("disturb link", "Device", device, **fault.described())
        self._faults[device] = fault
        for gateway in self._gateways():
            gateway.disturb(fault, device)

    def restore(self, board: Board | str | None = None) -> None:
        """End the disturbance of a board's links, or the one of all links."""
        device = self._device(board)
        if self._faults.pop(device, None) is not None:
            self._recorder.note("restore link", device)
            for gateway in self._gateways():
                gateway.disturb(NO_FAULT, device)

    @contextmanager
    def disturbed(self, board: Board | str | None = None, **what: Any) -> Iterator[None]:
        """Inside, the links are disturbed."""
        self.disturb(board, **what)
        try:
            yield
        finally:
            self.restore(board)

    def apply(self, gateway: GatewayControl) -> None:
        """Disturb the links of another gateway as those of the others are."""
        for device, fault in self._faults.items():
            gateway.disturb(fault, device)

    def _device(self, board: Board | str | None) -> str:
        return "" if board is None else self._device_of(board)

"""Disturbances of a relayed link."""

from __future__ import annotations

from dataclasses import dataclass, fields

from harness.core.errors import UsageError
from harness.wasmbed.protocol.link import Side

__all__ = ["NO_FAULT", "LinkFault"]


@dataclass(frozen=True, slots=True)
class LinkFault:
    """A disturbance of a link, in both directions. Raises UsageError for a value that is not possible."""

    cut: bool = False
    """The board hears nothing any more, the gateway sees a reset, and no other connection is made."""
    half_open: Side | None = None
    """The present connection ends for the other end only; this end still takes it for open. A new one can be made."""
    silent: bool = False
    """Nothing passes, and nothing is lost."""
    delay: float = 0.0
    """Seconds by which everything passes later."""
    jitter: float = 0.0
    """Seconds by which each piece passes later at most: how many is random, and the order stays."""
    slow_close: float = 0.0
    """Seconds by which the end of a connection reaches the other end later."""
    bandwidth: float = 0.0
    """Bytes of TLS records a second that pass in each direction; 0: as many as come."""
    drop: int = 0
    """Of the frames in each direction, every Nth is lost (1: each of them); 0: none."""
    corrupt: int = 0
    """Of the frames in each direction, every Nth has a wrong byte, which TLS finds out; 0: none."""

    def __post_init__(self) -> None:
        for name in ("delay", "jitter", "slow_close", "bandwidth", "drop", "corrupt"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
                raise UsageError(f"{name} is {value!r}", where="link fault", do="give a number, not below zero")
        for name in ("drop", "corrupt"):
            if isinstance(value := getattr(self, name), float):
                raise UsageError(f"{name} is {value!r}", where="link fault", do="give a whole number of frames")
        if self.half_open is not None:
            object.__setattr__(self, "half_open", _side(self.half_open))

    def described(self) -> dict[str, object]:
        """The fields that say something, by name."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: str(getattr(value, "value", value)) if name == "half_open" else value
            for name, value in given.items()
            if value
        }


def _side(value: object) -> Side:
    try:
        return Side(value)
    except ValueError as error:
        do = f"name the end that takes the link for open: {', '.join(side.value for side in Side)}"
        raise UsageError(f"half_open is {value!r}", where="link fault", do=do) from error


NO_FAULT = LinkFault()

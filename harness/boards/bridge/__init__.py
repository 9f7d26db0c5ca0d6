"""Connects a board's serial line to a gateway's socket, for boards without a network.

The bridge sees only bytes: TLS runs end to end through it, except for a board that cannot do TLS. The bridge is also
the place where a test cuts a link.
"""

from harness.boards.bridge.bridge import Bridge, Counters
from harness.boards.bridge.line import Line, LineMark
from harness.boards.bridge.tcp import TcpBridge

__all__ = ["Bridge", "Counters", "Line", "LineMark", "TcpBridge"]

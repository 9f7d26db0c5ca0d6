"""From a board's serial line to a gateway's socket: the way in for every board that has no network of its own.

The bridge knows bytes only, and TLS goes through it end to end, unless a board cannot do TLS and wants that done for
it. It is also where a link is cut.
"""

from harness.boards.bridge.bridge import Bridge, Counters
from harness.boards.bridge.line import Line, LineMark
from harness.boards.bridge.tcp import TcpBridge

__all__ = ["Bridge", "Counters", "Line", "LineMark", "TcpBridge"]

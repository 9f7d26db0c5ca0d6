"""The cluster kind ``embedded-process``: the embedded API server in a process of its own.

A request that keeps the server busy delays neither gateway, controllers nor boards: they have a separate event loop and
processor. The price is half a second at the start, so tests, whose own requests are small, keep the server in their
process (``embedded``).
"""

from harness.clusters.embedded.process.cluster import EmbeddedProcessCluster

__all__ = ["EmbeddedProcessCluster"]

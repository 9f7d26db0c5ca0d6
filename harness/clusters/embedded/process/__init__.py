"""The cluster kind ``embedded-process``: the embedded API server in a process of its own.

A request that keeps it busy keeps nobody else from running: gateway, controllers and boards have their own loop and
their own processor. It costs half a second at the start and two copies of JSON a request, so tests, whose own requests
are small, keep the server in their process (``embedded``).
"""

from harness.clusters.embedded.process.cluster import EmbeddedProcessCluster

__all__ = ["EmbeddedProcessCluster"]

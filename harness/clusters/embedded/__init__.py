"""A Kubernetes API server in this process: what ``kubectl``, the official clients and kopf need, and nothing below.

Nothing runs containers here: objects are stored, validated, watched and collected. The core takes a request and
returns a response (:mod:`.server`); sockets (:mod:`.front`) and the platform's port (:mod:`.client`) are thin
adapters to it. What is not implemented is refused with the Status that Kubernetes has for it.
"""

from harness.clusters.embedded.cluster import EmbeddedCluster
from harness.clusters.embedded.server import ApiServer

__all__ = ["ApiServer", "EmbeddedCluster"]

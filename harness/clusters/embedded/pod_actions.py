"""Requests for what pods have beside their objects, on the objects that are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.evictions import count_eviction
from harness.clusters.embedded.lifecycle import Lifecycle
from harness.clusters.embedded.messages import Raw, Response
from harness.clusters.embedded.pod_subresources import bound, connection_problem, log_problem
from harness.clusters.embedded.state import State
from harness.clusters.embedded.store import Key
from harness.clusters.embedded.values import Object
from harness.clusters.embedded.write_options import Options
from harness.clusters.embedded.writing import Writer

__all__ = ["PodActions"]

_TEXT = "text/plain"


class PodActions:
    """Logs, connections, eviction, and binding to a node."""

    def __init__(self, state: State, writer: Writer, lifecycle: Lifecycle) -> None:
        self._state, self._writer, self._lifecycle = state, writer, lifecycle

    def read(self, key: Key, subresource: str, query: Mapping[str, str]) -> Response:
        """The log, which is empty as long as the pod waits for a node. Raises the refusals 400, 404 and 500."""
        pod = self._pod(key)
        if subresource != "log":
            raise connection_problem(pod)
        if problem := log_problem(pod, query.get("container", "")):
            raise problem
        return Response(204, Raw(b""), content_type=_TEXT)

    def act(self, key: Key, subresource: str, body: Any, options: Options) -> None:
        """Evict or bind a pod. Raises the refusals 400, 404, 409, 422, 429 and 500."""
        pod = self._pod(key)
        served = self._state.registry.storing("pods")
        if subresource == "eviction":
            count_eviction(self._state, self._writer, pod, options)
            self._lifecycle.delete(served, key, dry_run=options.dry_run)
        elif subresource == "binding":
            self._writer.update(served, key, subresource, lambda old: bound(old, body), options)
        else:
            raise connection_problem(pod)

    def _pod(self, key: Key) -> Object:
        entry = self._state.collection(self._state.registry.storing("pods")).get(key)
        if entry is None:
            raise errors.not_found("", "pods", key[1])
        return entry.object

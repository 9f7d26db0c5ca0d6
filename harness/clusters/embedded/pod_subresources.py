"""Subresources of pods: logs, commands, ports, eviction, a node. Nothing runs the pods here.

The answers are those of an API server whose pods have not been started.
"""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import StatusError, bad_request
from harness.clusters.embedded.values import Object, lookup

__all__ = ["CONNECTIONS", "POD_SUBRESOURCES", "bound", "connection_problem", "log_problem", "with_ephemeral_containers"]

POD_SUBRESOURCES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "attach": (("create", "get"), "", "PodAttachOptions"),
    "binding": (("create",), "", "Binding"),
    "ephemeralcontainers": (("get", "patch", "update"), "", "Pod"),
    "eviction": (("create",), "policy/v1", "Eviction"),
    "exec": (("create", "get"), "", "PodExecOptions"),
    "log": (("get",), "", "Pod"),
    "portforward": (("create", "get"), "", "PodPortForwardOptions"),
}
"""The verbs of each, and the version and the kind of its objects, as discovery shows them."""

CONNECTIONS = ("attach", "exec", "portforward")
"""Those that are connections: their requests have no body."""


def log_problem(pod: Object, container: str) -> StatusError | None:
    """Why a pod has no log yet: None if it is empty, since the pod waits for a node."""
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    known = [one["name"] for member in ("initContainers", "containers", "ephemeralContainers")
             for one in spec.get(member) or ()]  # fmt: skip
    if container and container not in known:
        return bad_request(f"container {container} is not valid for pod {name}")
    if not container and len(spec.get("containers") or ()) > 1:
        choices = " ".join(one["name"] for one in spec["containers"])
        return bad_request(f"a container name must be specified for pod {name}, choose one of: [{choices}]")
    return _node_problem(spec) if spec.get("nodeName") else None


def connection_problem(pod: Object) -> StatusError:
    """Why there is no connection to a pod."""
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    return _node_problem(spec) if spec.get("nodeName") else bad_request(f"pod {name} does not have a host assigned")


def _node_problem(spec: Object) -> StatusError:
    """A node of which only the object is here takes no connections."""
    message = f"no preferred addresses found for node {spec['nodeName']}; known addresses: []"
    return StatusError(500, "InternalError", f"Internal error occurred: {message}", {"causes": [{"message": message}]})


def with_ephemeral_containers(old: Object, proposed: Object) -> Object:
    """The pod with the ephemeral containers of ``proposed``, and nothing else of it."""
    spec = {name: item for name, item in (old.get("spec") or {}).items() if name != "ephemeralContainers"}
    if given := (proposed.get("spec") or {}).get("ephemeralContainers"):
        spec["ephemeralContainers"] = given
    return {**old, "metadata": proposed["metadata"], "spec": spec}


def bound(pod: Object, body: Any) -> Object:
    """The pod on the node that a Binding names. Raises the refusals 409 and 422."""
    node = lookup(body, ("target", "name"))
    if not node:
        raise errors.invalid("", "Binding", "", [errors.required("target.name")])
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    if spec.get("nodeName"):
        why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
        raise errors.conflict("", "pods/binding", name, why)
    return {**pod, "spec": {**spec, "nodeName": node}}

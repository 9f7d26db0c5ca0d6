"""Columns of ``kubectl get`` for built-in kinds, from texts as ``Status=status.phase, Ready:integer=#status.ready``.

A column is a name, a type after ``:`` (text by default), ``+`` if it is shown only by ``-o wide``, and where its value
is: a path of members. Before the path, ``#`` stands for 0 where there is nothing, ``-`` for ``<none>``, ``?`` for
``<unset>``, and ``*`` for the number of items.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from harness.clusters.embedded.types import Column
from harness.clusters.embedded.values import Object, lookup

__all__ = ["AGE", "CREATED", "NAME", "columns_of"]

NAME = Column("Name", ("metadata", "name"), format="name", description="Name must be unique within a namespace.")
AGE = Column("Age", ("metadata", "creationTimestamp"), "age", "CreationTimestamp is when this object was created.")
CREATED = Column("Created At", ("metadata", "creationTimestamp"), "date")


def columns_of(text: str) -> tuple[Column, ...]:
    """The columns that a text describes; ``Name`` comes before them, and ``Age`` is a word of its own."""
    return (NAME, *(_column(item.strip()) for item in text.split(", ") if item.strip()))


def _column(text: str) -> Column:
    if text in ("Age", "Created At"):
        return AGE if text == "Age" else CREATED
    head, _, source = text.partition("=")
    name, _, kind = head.partition(":")
    wide = head.endswith("+")
    return Column(name.rstrip("+"), _value(source), kind.rstrip("+") or "string", priority=int(wide))


def _value(source: str) -> Callable[[Object], Any]:
    if source in _COMPUTED:
        return _COMPUTED[source]
    mark = source[0] if source[0] in _MARKS else ""
    path = tuple(source[len(mark) :].split("."))
    return partial(_looked_up, path, mark)


_MARKS = {"#": 0, "-": "<none>", "?": "<unset>", "*": 0}


def _looked_up(path: tuple[str, ...], mark: str, stored: Object) -> Any:
    found = lookup(stored, path)
    if mark == "*":
        return len(found or ())
    if found in (None, "") and mark:
        return _MARKS[mark]
    if isinstance(found, dict):
        return ",".join(f"{key}={value}" for key, value in sorted(found.items())) or "<none>"
    if isinstance(found, list):
        return ",".join(map(str, found))
    return found


def _pod_ready(pod: Object) -> str:
    statuses = lookup(pod, ("status", "containerStatuses")) or []
    return f"{sum(one.get('ready') is True for one in statuses)}/{len(pod['spec']['containers'])}"


def _restarts(pod: Object) -> str:
    return str(sum(one.get("restartCount", 0) for one in lookup(pod, ("status", "containerStatuses")) or ()))


def _of_replicas(workload: Object) -> str:
    return f"{lookup(workload, ('status', 'readyReplicas')) or 0}/{lookup(workload, ('spec', 'replicas')) or 0}"


def _template(stored: Object) -> Object:
    paths = (("spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template", "spec"), ("template", "spec"))
    found = (lookup(stored, path) for path in paths)
    return next(filter(None, found), {})


def _containers(stored: Object, member: str) -> str:
    return ",".join(one.get(member, "") for one in _template(stored).get("containers") or ())


def _selector(stored: Object) -> str:
    labels = lookup(stored, ("spec", "selector", "matchLabels"))
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def _ports(service: Object) -> str:
    ports = lookup(service, ("spec", "ports")) or []
    return ",".join(f"{port['port']}/{port.get('protocol', 'TCP')}" for port in ports) or "<none>"


def _size(*members: str) -> Callable[[Object], int]:
    return lambda stored: sum(len(stored.get(member) or ()) for member in members)


def _subjects(kind: str) -> Callable[[Object], str]:
    def named(binding: Object) -> str:
        found = [one for one in binding.get("subjects") or () if one["kind"] == kind]
        return ", ".join(f"{one['namespace']}/{one['name']}" if "namespace" in one else one["name"] for one in found)

    return named


def _hosts(ingress: Object) -> str:
    hosts = [rule["host"] for rule in lookup(ingress, ("spec", "rules")) or () if rule.get("host")]
    return ",".join(hosts[:3]) + f" + {len(hosts) - 3} more..." * (len(hosts) > 3) or "*"


def _completions(job: Object) -> str:
    wanted = lookup(job, ("spec", "completions"))
    done = lookup(job, ("status", "succeeded")) or 0
    return f"{done}/{wanted}" if wanted is not None else f"{done}/1"


def _job_status(job: Object) -> str:
    conditions = lookup(job, ("status", "conditions")) or ()
    held = {one["type"] for one in conditions if one.get("status") == "True"}
    for kind, shown in (("Complete", "Complete"), ("Failed", "Failed"), ("Suspended", "Suspended")):
        if kind in held:
            return shown
    return "Terminating" if "deletionTimestamp" in job["metadata"] else "Running"


def _node_status(node: Object) -> str:
    ready = [one for one in lookup(node, ("status", "conditions")) or () if one["type"] == "Ready"]
    shown = ["Ready" if one.get("status") == "True" else "NotReady" for one in ready] or ["Unknown"]
    return ",".join([*shown, *["SchedulingDisabled"] * bool(lookup(node, ("spec", "unschedulable")))])


def _endpoint_addresses(endpoints: Object) -> str:
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in endpoints.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or [{"port": ""}]
    ]
    return ",".join(found[:3]) + f" + {len(found) - 3} more..." * (len(found) > 3) or "<none>"


def _slice_ports(found: Object) -> str:
    return ",".join(str(port.get("port", "*")) for port in found.get("ports") or ()) or "<unset>"


def _slice_endpoints(found: Object) -> str:
    return ",".join(address for one in found.get("endpoints") or () for address in one["addresses"]) or "<unset>"


_COMPUTED: dict[str, Callable[[Object], Any]] = {
    "pod-ready": _pod_ready,
    "restarts": _restarts,
    "of-replicas": _of_replicas,
    "containers": lambda stored: _containers(stored, "name"),
    "images": lambda stored: _containers(stored, "image"),
    "selector": _selector,
    "ports": _ports,
    "data": _size("data", "binaryData"),
    "role": lambda binding: f"{binding['roleRef']['kind']}/{binding['roleRef']['name']}",
    "users": _subjects("User"),
    "groups": _subjects("Group"),
    "accounts": _subjects("ServiceAccount"),
    "hosts": _hosts,
    "ingress-ports": lambda ingress: "80, 443" if lookup(ingress, ("spec", "tls")) else "80",
    "pod-selector": lambda policy: _looked_up(("spec", "podSelector", "matchLabels"), "-", policy),
    "completions": _completions,
    "job-status": _job_status,
    "node-status": _node_status,
    "endpoints": _endpoint_addresses,
    "slice-ports": _slice_ports,
    "slice-endpoints": _slice_endpoints,
    "claim": lambda volume: "/".join(filter(None, (_looked_up(("spec", "claimRef", one), "", volume) for one in (
        "namespace", "name")))),
    "scaled": lambda scaler: "/".join(
        lookup(scaler, ("spec", "scaleTargetRef", one)) or "" for one in ("kind", "name")),
    "nothing": lambda _: "",
    "none": lambda _: "<none>",
    "unset": lambda _: "<unset>",
    "false": lambda _: False,
}  # fmt: skip
"""Values that are more than a path."""

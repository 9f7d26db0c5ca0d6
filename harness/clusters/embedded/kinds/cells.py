"""Cells of ``kubectl get`` for built-in kinds that are more than one value of the object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from harness.clusters.embedded.selectors import selector_text
from harness.clusters.embedded.tables import human_duration
from harness.clusters.embedded.values import Object, lookup

__all__ = ["COMPUTED"]

_NONE, _UNKNOWN = "<none>", "<unknown>"
_SHOWN = 3
"""Items of a list in one cell."""
_METRICS_SHOWN = 2
_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _some(items: list[str], nothing: str) -> str:
    """The first items, and how many more there are."""
    more = f" + {len(items) - _SHOWN} more..." if len(items) > _SHOWN else ""
    return ",".join(items[:_SHOWN]) + more or nothing


def _pod_ready(pod: Object) -> str:
    statuses = lookup(pod, ("status", "containerStatuses")) or []
    return f"{sum(one.get('ready') is True for one in statuses)}/{len(pod['spec']['containers'])}"


def _restarts(pod: Object) -> str:
    return str(sum(one.get("restartCount", 0) for one in lookup(pod, ("status", "containerStatuses")) or ()))


def _pod_status(pod: Object) -> str:
    """Why a pod is as it is: its phase, unless a container has a better reason."""
    status = pod.get("status") or {}
    shown = status.get("reason") or status.get("phase", "")
    if starting := _starting(pod):
        shown = starting
    else:
        running = False
        for one in reversed(status.get("containerStatuses") or []):
            if reason := _container_reason(one.get("state") or {}):
                shown = reason
            running |= one.get("ready") is True and "running" in (one.get("state") or {})
        if shown == "Completed" and running:
            ready = any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ())
            shown = "Running" if ready else "NotReady"
    if "deletionTimestamp" in pod["metadata"]:
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return str(shown)


def _container_reason(state: Object) -> str:
    if waiting := (state.get("waiting") or {}).get("reason"):
        return str(waiting)
    if (ended := state.get("terminated")) is None:
        return ""
    signal = f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"
    return str(ended.get("reason") or signal)


def _starting(pod: Object) -> str:
    """The state of the first init container that has not ended well."""
    statuses = lookup(pod, ("status", "initContainerStatuses")) or []
    for place, one in enumerate(statuses):
        state = one.get("state") or {}
        if "terminated" in state and not state["terminated"].get("exitCode"):
            continue
        reason = _container_reason(state)
        if not reason or reason == "PodInitializing":
            return f"Init:{place}/{len(lookup(pod, ('spec', 'initContainers')) or statuses)}"
        return f"Init:{reason}"
    return ""


def _of_replicas(workload: Object) -> str:
    return f"{lookup(workload, ('status', 'readyReplicas')) or 0}/{lookup(workload, ('spec', 'replicas')) or 0}"


def _template(stored: Object) -> Object:
    paths = (("spec", "template", "spec"), ("spec", "jobTemplate", "spec", "template", "spec"), ("template", "spec"))
    found = (lookup(stored, path) for path in paths)
    return next(filter(None, found), {})


def _containers(stored: Object, member: str) -> str:
    return ",".join(one.get(member, "") for one in _template(stored).get("containers") or ())


def _ports(service: Object) -> str:
    ports = lookup(service, ("spec", "ports")) or []
    return ",".join(_port(port) for port in ports) or _NONE


def _port(port: Object) -> str:
    outside = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{outside}/{port.get('protocol', 'TCP')}"


def _external(service: Object) -> str:
    spec = service.get("spec") or {}
    outside = ",".join(spec.get("externalIPs") or ())
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    if spec.get("type") != "LoadBalancer":
        return outside or _NONE
    given = _balancers(service)
    return ",".join(filter(None, (given, outside))) or "<pending>"


def _balancers(stored: Object) -> str:
    found = lookup(stored, ("status", "loadBalancer", "ingress")) or ()
    return ",".join(one.get("ip") or one.get("hostname") or "" for one in found)


def _size(*members: str) -> Callable[[Object], int]:
    return lambda stored: sum(len(stored.get(member) or ()) for member in members)


def _subjects(kind: str) -> Callable[[Object], str]:
    def named(binding: Object) -> str:
        found = [one for one in binding.get("subjects") or () if one["kind"] == kind]
        return ", ".join(f"{one['namespace']}/{one['name']}" if "namespace" in one else one["name"] for one in found)

    return named


def _hosts(ingress: Object) -> str:
    return _some([rule["host"] for rule in lookup(ingress, ("spec", "rules")) or () if rule.get("host")], "*")


def _completions(job: Object) -> str:
    wanted, at_once = (lookup(job, ("spec", name)) for name in ("completions", "parallelism"))
    done = lookup(job, ("status", "succeeded")) or 0
    if wanted is not None:
        return f"{done}/{wanted}"
    return f"{done}/1 of {at_once}" if (at_once or 0) > 1 else f"{done}/1"


def _duration(job: Object) -> str:
    """How long a job took; the time when it began, if it has not ended."""
    start, end = (lookup(job, ("status", name)) for name in ("startTime", "completionTime"))
    if start is None or end is None:
        return start or ""
    return human_duration((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


def _job_status(job: Object) -> str:
    conditions = lookup(job, ("status", "conditions")) or ()
    held = {one["type"] for one in conditions if one.get("status") == "True"}
    for kind in ("Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if kind in held:
            return kind
    return "Terminating" if "deletionTimestamp" in job["metadata"] else "Running"


def _targets(scaler: Object) -> str:
    """Present and wanted values of an autoscaler's metrics."""
    found = lookup(scaler, ("status", "currentMetrics")) or []
    metrics = lookup(scaler, ("spec", "metrics")) or []
    shown = [_target(one, found[place] if place < len(found) else {}) for place, one in enumerate(metrics)]
    more = f" + {len(shown) - _METRICS_SHOWN} more..." if len(shown) > _METRICS_SHOWN else ""
    return ", ".join(shown[:_METRICS_SHOWN]) + more or _NONE


def _target(metric: Object, status: Object) -> str:
    kind = metric.get("type", "")
    source = kind[:1].lower() + kind[1:]
    described = metric.get(source) or {}
    target, current = described.get("target") or {}, (status.get(source) or {}).get("current") or {}
    average, share = target.get("averageValue"), target.get("averageUtilization")
    if kind in ("Resource", "ContainerResource"):
        name = described.get("name", "")
        if average is not None:
            return f"{name}: {current.get('averageValue', _UNKNOWN)}/{average}"
        now = current.get("averageUtilization")
        wanted = "<auto>" if share is None else f"{share}%"
        return f"{name}: {_UNKNOWN if now is None else f'{now}%'}/{wanted}"
    if kind == "Pods":
        return f"{current.get('averageValue', _UNKNOWN)}/{average}"
    if average is not None:
        return f"{current.get('averageValue', _UNKNOWN)}/{average} (avg)"
    return f"{current.get('value', _UNKNOWN)}/{target.get('value', '')}"


def _least(scaler: Object) -> str:
    least = lookup(scaler, ("spec", "minReplicas"))
    return "<unset>" if least is None else str(least)


def _limit(member: str) -> Callable[[Object], str]:
    def shown(budget: Object) -> str:
        found = lookup(budget, ("spec", member))
        return "N/A" if found is None else str(found)

    return shown


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
    return _some(found, _NONE)


def _slice_ports(found: Object) -> str:
    return _some([str(port.get("port", "*")) for port in found.get("ports") or ()], "<unset>")


def _slice_endpoints(found: Object) -> str:
    return _some([address for one in found.get("endpoints") or () for address in one["addresses"]], "<unset>")


def _modes(modes: Iterable[str] | None) -> str:
    given = set(modes or ())
    return ",".join(short for mode, short in _MODES.items() if mode in given)


def _claimed(*path: str) -> Callable[[Object], Any]:
    """A value that a claim got; empty as long as it has no volume."""
    return lambda claim: (lookup(claim, path) or "") if lookup(claim, ("spec", "volumeName")) else ""


def _api_service(found: Object) -> str:
    service = lookup(found, ("spec", "service"))
    return f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"


def _is_available(found: Object) -> str:
    """Whether a condition says that requests are answered, and why not."""
    for one in lookup(found, ("status", "conditions")) or ():
        if one["type"] == "Available":
            status, reason = one["status"], one.get("reason")
            return f"{status} ({reason})" if status != "True" and reason else str(status)
    return "Unknown"


def _quota(*, limits: bool) -> Callable[[Object], str]:
    def shown(quota: Object) -> str:
        hard, used = (lookup(quota, ("status", name)) or {} for name in ("hard", "used"))
        names = [name for name in sorted(hard) if name.startswith("limits") is limits]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return shown


COMPUTED: dict[str, Callable[[Object], Any]] = {
    "pod-ready": _pod_ready,
    "pod-status": _pod_status,
    "restarts": _restarts,
    "of-replicas": _of_replicas,
    "containers": lambda stored: _containers(stored, "name"),
    "images": lambda stored: _containers(stored, "image"),
    "selector": lambda stored: selector_text(lookup(stored, ("spec", "selector"))) or _NONE,
    "pod-selector": lambda policy: selector_text(lookup(policy, ("spec", "podSelector"))) or _NONE,
    "ports": _ports,
    "external": _external,
    "balancers": _balancers,
    "data": _size("data", "binaryData"),
    "role": lambda binding: f"{binding['roleRef']['kind']}/{binding['roleRef']['name']}",
    "users": _subjects("User"),
    "groups": _subjects("Group"),
    "accounts": _subjects("ServiceAccount"),
    "hosts": _hosts,
    "ingress-ports": lambda ingress: "80, 443" if lookup(ingress, ("spec", "tls")) else "80",
    "completions": _completions,
    "duration": _duration,
    "job-status": _job_status,
    "suspended": lambda job: str(lookup(job, ("spec", "suspend")) is True),
    "node-status": _node_status,
    "endpoints": _endpoint_addresses,
    "slice-ports": _slice_ports,
    "slice-endpoints": _slice_endpoints,
    "claim": lambda volume: "/".join(filter(None, (lookup(volume, ("spec", "claimRef", one)) for one in (
        "namespace", "name")))),
    "volume-modes": lambda volume: _modes(lookup(volume, ("spec", "accessModes"))),
    "claim-modes": lambda claim: _modes(_claimed("status", "accessModes")(claim)),
    "claimed": _claimed("status", "capacity", "storage"),
    "quota-requests": _quota(limits=False),
    "quota-limits": _quota(limits=True),
    "scaled": lambda scaler: "/".join(
        lookup(scaler, ("spec", "scaleTargetRef", one)) or "" for one in ("kind", "name")),
    "targets": _targets,
    "least": _least,
    "available": _limit("minAvailable"),
    "unavailable": _limit("maxUnavailable"),
    "api-service": _api_service,
    "available-condition": _is_available,
    "nothing": lambda _: "",
    "none": lambda _: _NONE,
    "unset": lambda _: "<unset>",
    "false": lambda _: False,
}  # fmt: skip
"""Cells by the words of the table of kinds."""

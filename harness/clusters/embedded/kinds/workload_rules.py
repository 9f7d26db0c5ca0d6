"""The server's additions to, and demands on, pods and what makes them, beyond the fields' own defaults."""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.metadata import label_causes
from harness.clusters.embedded.values import Object, lookup, same

__all__ = ["controller", "cron_job", "job", "pod", "service", "template", "workload"]

_UNREACHABLE = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for what in ("not-ready", "unreachable")
]
_ROLLING: dict[str, tuple[str, Object]] = {
    "Deployment": ("strategy", {"maxUnavailable": "25%", "maxSurge": "25%"}),
    "StatefulSet": ("updateStrategy", {"partition": 0}),
    "DaemonSet": ("updateStrategy", {"maxUnavailable": 1, "maxSurge": 0}),
}
"""Where a kind says how it replaces pods, and its defaults for doing so step by step."""
_GENERATION = "deprecated.daemonset.template.generation"
_STRATEGIES = {
    "strategy": ("Recreate", "RollingUpdate"),
    "updateStrategy": ("RollingUpdate", "OnDelete"),
}


def _complete_pod(spec: Object) -> None:
    """Give containers a pull policy, in place where it is missing: ``latest`` is always pulled."""
    for member in ("initContainers", "containers"):
        if any("imagePullPolicy" not in one for one in spec.get(member) or ()):
            spec[member] = [{"imagePullPolicy": _pull_policy(one.get("image", "")), **one} for one in spec[member]]
    if spec.get("serviceAccountName") and "serviceAccount" not in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]


def _pull_policy(image: str) -> str:
    name = image.rpartition("/")[2]
    _, tagged, tag = name.partition(":")
    return "Always" if "@" not in name and (not tagged or tag == "latest") else "IfNotPresent"


def _pod_causes(spec: Object, field: str) -> list[Cause]:
    causes: list[Cause] = []
    volumes: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        if (name := volume.get("name", "")) in volumes:
            causes.append(errors.duplicate(f"{field}.volumes[{index}].name", name))
        volumes.add(name)
    for member in ("initContainers", "containers"):
        names: set[str] = set()
        for index, container in enumerate(spec.get(member) or ()):
            here = f"{field}.{member}[{index}]"
            name = container.get("name", "")
            if name in names:
                causes.append(errors.duplicate(f"{here}.name", name))
            names.add(name)
            for number, mount in enumerate(container.get("volumeMounts") or ()):
                if mount.get("name") not in volumes:
                    where = f"{here}.volumeMounts[{number}].name"
                    causes.append(Cause("FieldValueNotFound", where, f'Not found: "{mount.get("name", "")}"'))
    if spec.get("containers") == []:
        causes.append(errors.required(f"{field}.containers"))
    return causes


def _spec(new: Object, *path: str) -> Object:
    found: Any = lookup(new, path)
    return found if isinstance(found, dict) else {}


def pod(new: Object, old: Object | None) -> list[Cause]:
    """Priority, tolerations and class of service, as admission gives them."""
    spec = _spec(new, "spec")
    _complete_pod(spec)
    if old is None:
        spec.setdefault("enableServiceLinks", True)
        spec.setdefault("priority", 0)
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
        known = {one.get("key") for one in spec.get("tolerations") or ()}
        added = [dict(one) for one in _UNREACHABLE if one["key"] not in known]
        spec["tolerations"] = [*(spec.get("tolerations") or ()), *added]
        new["status"] = {**(new.get("status") or {}), "qosClass": _quality(spec)}
    return _pod_causes(spec, "spec")


def _quality(spec: Object) -> str:
    wanted = [_spec(one, "resources") for one in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))]
    if not any(one.get("requests") or one.get("limits") for one in wanted):
        return "BestEffort"
    bound = ("cpu", "memory")
    full = all(
        (limits := one.get("limits") or {}).keys() >= set(bound)
        and all((one.get("requests") or limits).get(name, limits[name]) == limits[name] for name in bound)
        for one in wanted
    )
    return "Guaranteed" if full else "Burstable"


def template(new: Object, old: Object | None) -> list[Cause]:
    """The pods of a PodTemplate."""
    _complete_pod(_spec(new, "template", "spec"))
    return _pod_causes(_spec(new, "template", "spec"), "template.spec")


def _pods_of(new: Object, field: str = "spec.template.spec") -> list[Cause]:
    spec = _spec(new, *field.split("."))
    _complete_pod(spec)
    return _pod_causes(spec, field)


def _always(new: Object) -> list[Cause]:
    policy = lookup(new, ("spec", "template", "spec", "restartPolicy"))
    field = "spec.template.spec.restartPolicy"
    return [errors.unsupported_value(field, policy, ("Always",))] * (policy in ("OnFailure", "Never"))


def controller(new: Object, old: Object | None) -> list[Cause]:
    """A ReplicationController, whose selector is a map of labels."""
    spec = _spec(new, "spec")
    labels = _spec(spec, "template", "metadata", "labels")
    if labels and not spec.get("selector"):
        spec["selector"] = dict(labels)
    return _pods_of(new) if spec.get("template") else []


def workload(new: Object, old: Object | None) -> list[Cause]:
    """The selector matches the template's labels, and stays."""
    spec = _spec(new, "spec")
    causes = [*_pods_of(new), *_always(new)]
    if new["kind"] == "DaemonSet":
        generation = new["metadata"].get("annotations", {}).get(_GENERATION, "1")
        new["metadata"]["annotations"] = {**new["metadata"].get("annotations", {}), _GENERATION: generation}
    if new["kind"] == "StatefulSet":
        new["status"] = {"availableReplicas": 0, **(new.get("status") or {})}
    if new["kind"] in _ROLLING:
        causes += _strategy_causes(new["kind"], spec)
    selector = spec.get("selector") or {}
    wanted = selector.get("matchLabels") or {}
    labels = _spec(new, "spec", "template", "metadata").get("labels")
    if not wanted and not selector.get("matchExpressions"):
        if spec.get("selector") is not None:
            detail = "empty selector is invalid for " + new["kind"][0].lower() + new["kind"][1:]
            causes.append(errors.invalid_value("spec.selector", {"matchLabels": None}, detail))
        labels_fit = False
    else:
        labels_fit = all((labels or {}).get(key) == value for key, value in wanted.items())
    if not labels_fit:
        detail = "`selector` does not match template `labels`"
        causes.append(errors.invalid_value("spec.template.metadata.labels", labels, detail))
    if old is not None and not same(selector, lookup(old, ("spec", "selector"))):
        causes.append(errors.invalid_value("spec.selector", selector, "field is immutable"))
    causes += label_causes(labels or {}, "spec.template.labels")
    return causes


def _strategy_causes(kind: str, spec: Object) -> list[Cause]:
    member, steps = _ROLLING[kind]
    chosen: Object = spec.get(member) or {}
    name = chosen.get("type", "RollingUpdate")
    if name == "RollingUpdate":
        spec[member] = {**chosen, "type": name, "rollingUpdate": {**steps, **(chosen.get("rollingUpdate") or {})}}
    elif name not in _STRATEGIES[member]:
        shown = {"Type": name, "RollingUpdate": chosen.get("rollingUpdate")}
        return [errors.unsupported_value(f"spec.{member}", shown, _STRATEGIES[member])]
    return []


def job(new: Object, old: Object | None) -> list[Cause]:
    """A Job finds its pods by labels made from its uid, which it gets with :func:`job_labels`."""
    spec = _spec(new, "spec")
    defaults = {
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "podReplacementPolicy": "TerminatingOrFailed",
        "suspend": False,
        "manualSelector": False,
    }
    if spec.get("completions") is None and spec.get("parallelism") is None:
        defaults["completions"] = 1
    for name, value in {**defaults, "parallelism": 1}.items():
        spec.setdefault(name, value)
    if old is None and not spec["manualSelector"]:
        _select_pods(new, spec)
    if labels := lookup(new, ("spec", "template", "metadata", "labels")):
        new["metadata"].setdefault("labels", dict(labels))
    return [*_pods_of(new), *_ending(new, "spec.template.spec")]


def _select_pods(new: Object, spec: Object) -> None:
    uid, name = new["metadata"].get("uid", ""), new["metadata"].get("name", "")
    made = {"batch.kubernetes.io/controller-uid": uid, "controller-uid": uid,
            "batch.kubernetes.io/job-name": name, "job-name": name}  # fmt: skip
    inside = spec["template"] = dict(spec.get("template") or {})
    metadata = inside["metadata"] = dict(inside.get("metadata") or {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **made}
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


def _ending(new: Object, field: str) -> list[Cause]:
    """Pods of a job end some day."""
    policy = lookup(new, (*field.split("."), "restartPolicy"))
    detail = 'valid values: "OnFailure", "Never"'
    return [errors.required(f"{field}.restartPolicy", detail)] * (policy not in ("OnFailure", "Never"))


def cron_job(new: Object, old: Object | None) -> list[Cause]:
    """A schedule of five fields, or a word such as ``@daily``."""
    field = "spec.jobTemplate.spec.template.spec"
    causes = [*_pods_of(new, field), *_ending(new, field)]
    schedule = lookup(new, ("spec", "schedule"))
    parts = schedule.split() if isinstance(schedule, str) else []
    if schedule == "":
        causes.append(errors.required("spec.schedule"))
    elif schedule and not schedule.startswith("@") and len(parts) != 5:
        detail = f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
        causes.append(errors.invalid_value("spec.schedule", schedule, detail))
    return causes


def service(new: Object, old: Object | None) -> list[Cause]:
    """Ports; no address is given, so that a Service without one stays without."""
    spec = _spec(new, "spec")
    causes: list[Cause] = []
    ports = spec.get("ports") or ()
    kind, address = spec.get("type"), spec.get("clusterIP")
    if not ports and kind != "ExternalName" and address != "None":
        causes.append(errors.required("spec.ports"))
    if kind == "ExternalName":
        spec.pop("internalTrafficPolicy", None)
        if not spec.get("externalName"):
            causes.append(errors.required("spec.externalName"))
    if any("targetPort" not in port and "port" in port for port in ports):
        spec["ports"] = [{"targetPort": port.get("port", 0), **port} for port in ports]
    for index, port in enumerate(spec.get("ports") or ()):
        if len(ports) > 1 and not port.get("name"):
            causes.append(errors.required(f"spec.ports[{index}].name"))
        target = port.get("targetPort")
        if type(target) is int and not 0 < target < 1 << 16:
            detail = "must be between 1 and 65535, inclusive"
            causes.append(errors.invalid_value(f"spec.ports[{index}].targetPort", target, detail))
    if address:
        spec.setdefault("clusterIPs", [address])
        families = ["IPv4"] if spec.get("selector") else ["IPv4", "IPv6"]
        spec.setdefault("ipFamilies", families)
        spec.setdefault("ipFamilyPolicy", "SingleStack" if len(families) == 1 else "RequireDualStack")
    new.setdefault("status", {}).setdefault("loadBalancer", {})
    return causes

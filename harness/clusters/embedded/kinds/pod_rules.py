"""The server's additions to, and demands on, pods."""

from __future__ import annotations

import re
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.kinds.quantities import amount
from harness.clusters.embedded.kinds.resource_rules import container_resources, service_class
from harness.clusters.embedded.problems import subdomain_problems
from harness.clusters.embedded.values import Object, lookup, same

__all__ = ["complete_pod", "pod", "pod_causes", "template"]

_UNREACHABLE = [
    {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for what in ("not-ready", "unreachable")
]
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_REFERENCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_VARIABLE = re.compile(r"[ -<>-~]+\Z")
_VARIABLE_MESSAGE = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_FIELDS = re.compile(
    r"metadata\.(name|namespace|uid|(labels|annotations)\['[^']+'\])|spec\.(nodeName|serviceAccountName)|"
    r"status\.(hostIPs?|podIPs?)\Z"
)
_FIXED = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CHANGEABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates", "affinity",
               "nodeSelector", "ephemeralContainers", "nodeName")  # fmt: skip


def pod(new: Object, old: Object | None) -> list[Cause]:
    """Priority, tolerations and class of service, as admission gives them."""
    spec = new.get("spec") or {}
    complete_pod(spec)
    causes: list[Cause] = []
    if old is None:
        spec.setdefault("enableServiceLinks", True)
        spec.setdefault("priority", 0)
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
        known = {one.get("key") for one in spec.get("tolerations") or ()}
        added = [dict(one) for one in _UNREACHABLE if one["key"] not in known]
        spec["tolerations"] = [*(spec.get("tolerations") or ()), *added]
        for member in ("containers", "initContainers"):
            for container in spec.get(member) or ():
                _request_what_is_limited(container)
        everything = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        causes += pod_causes(spec, "spec")
        quality = "BestEffort" if causes else service_class(everything)
        new["status"] = {**(new.get("status") or {}), "qosClass": quality}
        if spec.get("ephemeralContainers"):
            causes.append(errors.forbidden_field("spec.ephemeralContainers", "cannot be set on create"))
        return causes
    before = old.get("spec") or {}
    if quality := lookup(old, ("status", "qosClass")):
        new["status"] = {"qosClass": quality, **(new.get("status") or {})}
    running = {one["name"]: one for one in before.get("ephemeralContainers") or ()}
    kept = {one["name"]: one for one in spec.get("ephemeralContainers") or ()}
    if not same(_fixed(spec), _fixed(before)) or any(not same(kept.get(name), one) for name, one in running.items()):
        return [errors.forbidden_field("spec", _FIXED)]
    names = {one["name"] for member in ("containers", "initContainers") for one in spec.get(member) or ()}
    causes += [
        Cause("FieldValueNotFound", f"spec.ephemeralContainers[{index}].targetContainerName", f'Not found: "{wanted}"')
        for index, one in enumerate(spec.get("ephemeralContainers") or ())
        if (wanted := one.get("targetContainerName", "")) and wanted not in names
    ]
    return causes + pod_causes(spec, "spec")


def _request_what_is_limited(container: Object) -> None:
    resources = container.get("resources") or {}
    if wanted := resources.get("limits"):
        container["resources"] = {**resources, "requests": {**wanted, **(resources.get("requests") or {})}}


def _fixed(spec: Object) -> Object:
    """The part of a pod that nothing may change once it is there."""
    kept = {name: item for name, item in spec.items() if name not in _CHANGEABLE}
    for member in ("containers", "initContainers"):
        if member in kept:
            without = ("image", "imagePullPolicy")
            kept[member] = [{name: one[name] for name in one if name not in without} for one in kept[member]]
    return kept


def template(new: Object, old: Object | None) -> list[Cause]:
    """The pods of a PodTemplate."""
    spec = lookup(new, ("template", "spec")) or {}
    complete_pod(spec)
    return pod_causes(spec, "template.spec")


def complete_pod(spec: Object) -> None:
    """Add defaults that depend on other fields, in place. An image with the tag ``latest`` is always pulled."""
    for member in ("initContainers", "containers", "ephemeralContainers"):
        if any("imagePullPolicy" not in one for one in spec.get(member) or ()):
            spec[member] = [{"imagePullPolicy": _pull_policy(one.get("image", "")), **one} for one in spec[member]]
    if spec.get("serviceAccountName") and "serviceAccount" not in spec:
        spec["serviceAccount"] = spec["serviceAccountName"]
    if any(len(volume) == 1 for volume in spec.get("volumes") or ()):
        spec["volumes"] = [{**one, "emptyDir": {}} if len(one) == 1 else one for one in spec["volumes"]]
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    if spec.get("hostNetwork"):
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            for port in container.get("ports") or ():
                port.setdefault("hostPort", port.get("containerPort", 0))


def _pull_policy(image: str) -> str:
    name = image.rpartition("/")[2]
    _, tagged, tag = name.partition(":")
    return "Always" if "@" not in name and (not tagged or tag == "latest") else "IfNotPresent"


def pod_causes(spec: Object, field: str) -> list[Cause]:
    """The faults of a pod's specification, beyond those of single fields."""
    causes: list[Cause] = []
    volumes: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        here = f"{field}.volumes[{index}]"
        if (name := volume.get("name", "")) in volumes:
            causes.append(errors.duplicate(f"{here}.name", name))
        volumes.add(name)
        causes += _volume_causes(volume, here)
    names: set[str] = set()
    for member in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(member) or ()):
            here = f"{field}.{member}[{index}]"
            name = container.get("name", "")
            if name in names:
                causes.append(errors.duplicate(f"{here}.name", name))
            names.add(name)
            causes += _container_causes(container, here, volumes, host_network=bool(spec.get("hostNetwork")))
            if member == "initContainers" and container.get("restartPolicy") != "Always":
                detail = "may not be set for init containers without restartPolicy=Always"
                causes += [
                    errors.forbidden_field(f"{here}.{what}", detail)
                    for what in (*_PROBES, "lifecycle")
                    if container.get(what) is not None
                ]
    if spec.get("containers") == []:
        causes.append(errors.required(f"{field}.containers"))
    return causes + _placement_causes(spec, field)


def _container_causes(container: Object, field: str, volumes: set[str], *, host_network: bool) -> list[Cause]:
    causes: list[Cause] = []
    image = container.get("image", "")
    if not image:
        causes.append(errors.required(f"{field}.image"))
    elif image.strip() != image:
        causes.append(errors.invalid_value(f"{field}.image", image, "must not have leading or trailing whitespace"))
    causes += _port_causes(container.get("ports") or (), f"{field}.ports", host_network=host_network)
    for index, variable in enumerate(container.get("env") or ()):
        causes += _variable_causes(variable, f"{field}.env[{index}]")
    paths: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        here = f"{field}.volumeMounts[{index}]"
        if mount.get("name") not in volumes:
            causes.append(Cause("FieldValueNotFound", f"{here}.name", f'Not found: "{mount.get("name", "")}"'))
        if (path := mount.get("mountPath", "")) in paths:
            causes.append(errors.invalid_value(f"{here}.mountPath", path, "must be unique"))
        paths.add(path)
    for name in _PROBES:
        if (probe := container.get(name)) is not None:
            causes += _handler_causes(probe, f"{field}.{name}")
            if name != "readinessProbe" and probe.get("successThreshold", 1) != 1:
                here = f"{field}.{name}.successThreshold"
                causes.append(errors.invalid_value(here, probe["successThreshold"], "must be 1"))
    for name in ("preStop", "postStart"):
        if (hook := (container.get("lifecycle") or {}).get(name)) is not None:
            causes += _handler_causes(hook, f"{field}.lifecycle.{name}")
    return causes + container_resources(container.get("resources") or {}, f"{field}.resources")


def _port_causes(ports: Any, field: str, *, host_network: bool) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        if (name := port.get("name")) and name in names:
            causes.append(errors.duplicate(f"{field}[{index}].name", name))
        names.add(name)
        if host_network and port.get("hostPort") != port.get("containerPort"):
            detail = "must match `containerPort` when `hostNetwork` is true"
            causes.append(errors.invalid_value(f"{field}[{index}].hostPort", port.get("hostPort"), detail))
    return causes


def _variable_causes(variable: Object, field: str) -> list[Cause]:
    causes: list[Cause] = []
    name, source = variable.get("name", ""), variable.get("valueFrom")
    if name and not _VARIABLE.match(name):
        causes.append(errors.invalid_value(f"{field}.name", name, _VARIABLE_MESSAGE))
    if source is None:
        return causes
    here, named = f"{field}.valueFrom", [one for one in _REFERENCES if source.get(one) is not None]
    if not named:
        detail = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        )
        causes.append(errors.invalid_value(here, "", detail))
    elif variable.get("value"):
        causes.append(errors.invalid_value(here, "", "may not be specified when `value` is not empty"))
    elif len(named) > 1:
        causes.append(errors.invalid_value(here, "", "may not have more than one field specified at a time"))
    path = (source.get("fieldRef") or {}).get("fieldPath", "")
    if path and not _FIELDS.match(path):
        detail = f"error converting fieldPath: field label not supported: {path}"
        causes.append(errors.invalid_value(f"{here}.fieldRef.fieldPath", path, detail))
    return causes


def _handler_causes(probe: Object, field: str) -> list[Cause]:
    named = [one for one in _HANDLERS if probe.get(one) is not None]
    if not named:
        return [errors.required(field, "must specify a handler type")]
    return [errors.forbidden_field(f"{field}.{one}", "may not specify more than 1 handler type") for one in named[1:]]


def _volume_causes(volume: Object, field: str) -> list[Cause]:
    named = sorted((one for one in volume if one != "name"), key=lambda one: (one != "emptyDir", one != "hostPath"))
    causes = [errors.forbidden_field(f"{field}.{one}", "may not specify more than 1 volume type") for one in named[1:]]
    if "secret" in volume and not volume["secret"].get("secretName"):
        causes.append(errors.required(f"{field}.secret.secretName"))
    if "configMap" in volume and not volume["configMap"].get("name"):
        causes.append(errors.required(f"{field}.configMap.name"))
    size = (volume.get("emptyDir") or {}).get("sizeLimit")
    if size is not None and amount(size) < 0:
        detail = "SizeLimit field must be a valid resource quantity"
        causes.append(errors.forbidden_field(f"{field}.emptyDir.sizeLimit", detail))
    return causes


def _placement_causes(spec: Object, field: str) -> list[Cause]:
    causes: list[Cause] = []
    if spec.get("dnsPolicy") == "None" and not (spec.get("dnsConfig") or {}).get("nameservers"):
        where = "dnsConfig.nameservers" if spec.get("dnsConfig") is not None else "dnsConfig"
        detail = "must provide `dnsConfig` when `dnsPolicy` is None"
        if where != "dnsConfig":
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
        causes.append(errors.required(f"{field}.{where}", detail))
    for index, one in enumerate(spec.get("tolerations") or ()):
        here, operator = f"{field}.tolerations[{index}]", one.get("operator", "Equal")
        if operator == "Exists" and one.get("value"):
            detail = "value must be empty when `operator` is 'Exists'"
            causes.append(errors.invalid_value(f"{here}.operator", one["value"], detail))
        if not one.get("key") and operator != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            causes.append(errors.invalid_value(f"{here}.operator", one.get("operator", ""), detail))
        if "tolerationSeconds" in one and one.get("effect") != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            causes.append(errors.invalid_value(f"{here}.effect", one.get("effect", ""), detail))
    path = ("nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    wanted = lookup(spec.get("affinity") or {}, path)
    if wanted is not None and not wanted.get("nodeSelectorTerms"):
        where = f"{field}.affinity.{'.'.join(path)}.nodeSelectorTerms"
        causes.append(errors.required(where, "must have at least one node selector term"))
    for index, one in enumerate(spec.get("topologySpreadConstraints") or ()):
        if not one.get("topologyKey"):
            here = f"{field}.topologySpreadConstraints[{index}].topologyKey"
            causes.append(errors.required(here, "can not be empty"))
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        for number, name in enumerate(alias.get("hostnames") or ()):
            here = f"{field}.hostAliases[{index}].hostnames[{number}]"
            causes += [errors.invalid_value(here, name, problem) for problem in subdomain_problems(name)]
    return causes

"""The server's additions to, and demands on, Services, but for the addresses that it gives out."""

from __future__ import annotations

import ipaddress

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.kinds.network_rules import address_problems
from harness.clusters.embedded.problems import ip_problems, port_name_problems, port_number_problems, subdomain_problems
from harness.clusters.embedded.values import Object

__all__ = ["service"]

_EXTERNAL = ("NodePort", "LoadBalancer")
_ADDRESSES = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
_FAMILIES = ("IPv4", "IPv6")


def service(new: Object, old: Object | None) -> list[Cause]:
    spec = new.get("spec") or {}
    before = (old or {}).get("spec") or {}
    _keep_addresses(spec, before)
    _drop_what_the_type_lacks(spec, before)
    _complete(spec)
    new.setdefault("status", {}).setdefault("loadBalancer", {})
    causes = _port_causes(spec)
    kind, address = spec.get("type"), spec.get("clusterIP")
    if kind == "ExternalName":
        causes += _external_name_causes(spec)
    elif not spec.get("ports") and address != "None":
        causes.append(errors.required("spec.ports"))
    if address and kind != "ExternalName":
        if address == "None" and kind in _EXTERNAL:
            detail = f"may not be set to 'None' for {kind} services"
            causes.append(errors.invalid_value("spec.clusterIPs[0]", address, detail))
        elif address != "None":
            causes += [errors.invalid_value("spec.clusterIPs[0]", address, one) for one in ip_problems(address)]
    for index, outside in enumerate(spec.get("externalIPs") or ()):
        field = f"spec.externalIPs[{index}]"
        causes += [errors.invalid_value(field, outside, problem) for problem in address_problems(outside)]
    causes += [
        errors.unsupported_value(f"spec.ipFamilies[{index}]", family, _FAMILIES)
        for index, family in enumerate(spec.get("ipFamilies") or ())
        if family not in _FAMILIES
    ]
    if spec.get("loadBalancerSourceRanges") and kind != "LoadBalancer":
        detail = "may only be used when `type` is 'LoadBalancer'"
        causes.append(errors.forbidden_field("spec.LoadBalancerSourceRanges", detail))
    if spec.get("externalTrafficPolicy") and kind not in _EXTERNAL and not spec.get("externalIPs"):
        detail = "may only be set for externally-accessible services"
        causes.append(errors.invalid_value("spec.externalTrafficPolicy", spec["externalTrafficPolicy"], detail))
    return causes + _changed(spec, old)


def _keep_addresses(spec: Object, before: Object) -> None:
    """Addresses that a change does not mention stay, and go with a type that has some."""
    loses = spec.get("type") == "ExternalName" and before.get("type") not in (None, "ExternalName")
    if loses and spec.get("clusterIP") in (None, "", before.get("clusterIP")):
        for name in _ADDRESSES:
            spec.pop(name, None)
        return
    if "ExternalName" in (spec.get("type"), before.get("type")) or spec.get("clusterIP"):
        return
    for name in ("clusterIP", "clusterIPs"):
        if before.get(name):
            spec[name] = before[name]


def _drop_what_the_type_lacks(spec: Object, before: Object) -> None:
    """Fields that another type needed go with it, unless the change sets them anew."""
    kind, earlier = spec.get("type"), before.get("type")
    lacking = ["externalTrafficPolicy", "healthCheckNodePort"] if earlier in _EXTERNAL and kind not in _EXTERNAL else []
    if earlier == "LoadBalancer" and kind != earlier:
        lacking += ["allocateLoadBalancerNodePorts", "loadBalancerClass"]
    for name in lacking:
        if spec.get(name) == before.get(name):
            spec.pop(name, None)
    if earlier in _EXTERNAL and kind not in _EXTERNAL:
        known = {port.get("nodePort") for port in before.get("ports") or ()}
        spec["ports"] = [
            {name: item for name, item in port.items() if name != "nodePort" or item not in known}
            for port in spec.get("ports") or ()
        ]


def _complete(spec: Object) -> None:
    ports = spec.get("ports") or ()
    kind, address = spec.get("type"), spec.get("clusterIP")
    if any(not port.get("targetPort") and "port" in port for port in ports):
        spec["ports"] = [{**port, "targetPort": port.get("targetPort") or port.get("port", 0)} for port in ports]
    if kind == "ExternalName":
        spec.pop("internalTrafficPolicy", None)
    elif address and (address == "None" or not ip_problems(address)):
        spec.setdefault("clusterIPs", [address])
        families = list(_FAMILIES)
        if address != "None":
            families = [f"IPv{ipaddress.ip_address(address).version}"]
        elif spec.get("selector"):
            families = ["IPv4"]
        spec.setdefault("ipFamilies", families)
        spec.setdefault("ipFamilyPolicy", "SingleStack" if len(families) == 1 else "RequireDualStack")
    if kind in _EXTERNAL:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)


def _port_causes(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    ports = spec.get("ports") or ()
    names: set[str] = set()
    numbers: set[tuple[object, ...]] = set()
    for index, port in enumerate(ports):
        here, name, target = f"spec.ports[{index}]", port.get("name", ""), port.get("targetPort")
        if len(ports) > 1 and not name:
            causes.append(errors.required(f"{here}.name"))
        elif name and name in names:
            causes.append(errors.duplicate(f"{here}.name", name))
        names.add(name)
        number = (port.get("protocol"), port.get("port"))
        if number in numbers:
            shown = {"Name": "", "Protocol": port.get("protocol", ""), "AppProtocol": None, "Port": port.get("port", 0),
                     "TargetPort": 0, "NodePort": port.get("nodePort", 0)}  # fmt: skip
            causes.append(errors.duplicate(here, shown))
        numbers.add(number)
        problems = port_number_problems(target) if isinstance(target, int) else port_name_problems(target or "a")
        causes += [errors.invalid_value(f"{here}.targetPort", target, problem) for problem in problems]
        if port.get("nodePort") and spec.get("type") == "ClusterIP":
            detail = "may not be used when `type` is 'ClusterIP'"
            causes.append(errors.forbidden_field(f"{here}.nodePort", detail))
    return causes


def _external_name_causes(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    name = spec.get("externalName", "").removesuffix(".")
    if not name:
        causes.append(errors.required("spec.externalName"))
    causes += [
        errors.invalid_value("spec.externalName", name, one) for one in (subdomain_problems(name) if name else ())
    ]
    if spec.get("clusterIP") or spec.get("clusterIPs"):
        causes.append(errors.forbidden_field("spec.clusterIPs", "may not be set for ExternalName services"))
    return causes


def _changed(spec: Object, old: Object | None) -> list[Cause]:
    """An address that was set stays, unless the Service loses it with its type."""
    before = (old or {}).get("spec") or {}
    if not before.get("clusterIP") or "ExternalName" in (spec.get("type"), before.get("type")):
        return []
    if spec.get("clusterIP") == before["clusterIP"]:
        return []
    return [errors.invalid_value("spec.clusterIPs[0]", [spec.get("clusterIP")], "may not change once set")]

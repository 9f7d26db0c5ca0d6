"""The server's additions to, and demands on, Ingresses, NetworkPolicies and what they lead to."""

from __future__ import annotations

import ipaddress
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.problems import (
    cidr_problems,
    ip_problems,
    port_number_problems,
    subdomain_problems,
    wildcard_problems,
)
from harness.clusters.embedded.values import Object, lookup

__all__ = ["address_problems", "endpoint_slice", "endpoints", "ingress", "ingress_class", "network_policy"]

_NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
_NOT_AT_THE_END = ("/..", "/.")
_TYPES = ("Ingress", "Egress")
_FAMILIES = {"IPv4": 4, "IPv6": 6}


def ingress(new: Object, old: Object | None) -> list[Cause]:
    """Hosts, paths and backends."""
    spec = new.get("spec") or {}
    causes: list[Cause] = []
    backend = spec.get("defaultBackend")
    if backend is not None:
        causes += _backend_causes(backend, "spec.defaultBackend")
    elif not spec.get("rules"):
        detail = "either `defaultBackend` or `rules` must be specified"
        causes.append(errors.invalid_value("spec", spec.get("rules"), detail))
    for number, rule in enumerate(spec.get("rules") or ()):
        host = rule.get("host")
        causes += _host_causes(host, f"spec.rules[{number}].host") if host else []
        for index, path in enumerate(lookup(rule, ("http", "paths")) or ()):
            causes += _path_causes(path, f"spec.rules[{number}].http.paths[{index}]")
    for number, tls in enumerate(spec.get("tls") or ()):
        for index, host in enumerate(tls.get("hosts") or ()):
            field = f"spec.tls[{number}].hosts[{index}]"
            problems = wildcard_problems(host) if "*" in host else subdomain_problems(host)
            causes += [errors.invalid_value(field, host, problem) for problem in problems]
    return causes


def _host_causes(host: str, field: str) -> list[Cause]:
    if not ip_problems(host):
        return [errors.invalid_value(field, host, "must be a DNS name, not an IP address")]
    problems = wildcard_problems(host) if "*" in host else subdomain_problems(host)
    return [errors.invalid_value(field, host, problem) for problem in problems]


def _path_causes(path: Object, field: str) -> list[Cause]:
    causes: list[Cause] = []
    kind, text = path.get("pathType"), path.get("path", "")
    if not kind:
        causes.append(errors.required(f"{field}.pathType", "pathType must be specified"))
    elif kind in ("Exact", "Prefix") or text:
        if not text.startswith("/"):
            causes.append(errors.invalid_value(f"{field}.path", text, "must be an absolute path"))
        elif kind in ("Exact", "Prefix"):
            causes += [
                errors.invalid_value(f"{field}.path", text, f"must not contain '{one}'")
                for one in _NOT_IN_PATHS
                if one in text
            ]
            causes += [
                errors.invalid_value(f"{field}.path", text, f"cannot end with '{one}'")
                for one in _NOT_AT_THE_END
                if text.endswith(one)
            ]
    return causes + _backend_causes(path.get("backend") or {}, f"{field}.backend")


def _backend_causes(backend: Object, field: str) -> list[Cause]:
    resource, service = backend.get("resource"), backend.get("service")
    if resource is not None and service is not None:
        return [errors.invalid_value(field, "", "cannot set both resource and service backends")]
    if resource is None and service is None:
        return [errors.invalid_value(field, "", "resource or service backend is required")]
    if service is None:
        return []
    port = service.get("port") or {}
    name, number = port.get("name"), port.get("number")
    if name and number:
        return [errors.invalid_value(field, "", "cannot set both port name & port number")]
    if not name and not number:
        return [errors.required(field, "port name or number is required")]
    where = f"{field}.service.port.number"
    return [errors.invalid_value(where, number, problem) for problem in port_number_problems(number or 1)]


def ingress_class(new: Object, old: Object | None) -> list[Cause]:
    """The controller stays."""
    controller = lookup(new, ("spec", "controller"))
    if old is not None and controller != lookup(old, ("spec", "controller")):
        return [errors.invalid_value("spec.controller", controller, "field is immutable")]
    return []


def network_policy(new: Object, old: Object | None) -> list[Cause]:
    """Directions, peers and ports; a policy with egress rules is about both directions."""
    spec = new.get("spec") or {}
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *["Egress"] * bool(spec.get("egress"))]
    causes: list[Cause] = []
    types = spec["policyTypes"]
    if len(types) > len(_TYPES):
        causes.append(errors.invalid_value("spec.policyTypes", types, "may not specify more than two policyTypes"))
    else:
        causes += [
            errors.unsupported_value(f"spec.policyTypes[{index}]", kind, _TYPES)
            for index, kind in enumerate(types)
            if kind not in _TYPES
        ]
    for member, peers in (("ingress", "from"), ("egress", "to")):
        for number, rule in enumerate(spec.get(member) or ()):
            here = f"spec.{member}[{number}]"
            for index, port in enumerate(rule.get("ports") or ()):
                causes += _range_causes(port, f"{here}.ports[{index}]")
            for index, peer in enumerate(rule.get(peers) or ()):
                causes += _peer_causes(peer, f"{here}.{peers}[{index}]")
    return causes


def _range_causes(port: Object, field: str) -> list[Cause]:
    first, last = port.get("port"), port.get("endPort")
    if last is None:
        return []
    if first is None:
        detail = "may not be specified when `port` is not specified"
        return [errors.invalid_value(f"{field}.endPort", last, detail)]
    if not isinstance(first, int):
        return [errors.invalid_value(f"{field}.endPort", last, "may not be specified when `port` is non-numeric")]
    if last < first:
        return [errors.invalid_value(f"{field}.endPort", first, "must be greater than or equal to `port`")]
    return [errors.invalid_value(f"{field}.endPort", last, problem) for problem in port_number_problems(last)]


def _peer_causes(peer: Object, field: str) -> list[Cause]:
    block = peer.get("ipBlock")
    others = peer.get("podSelector") is not None or peer.get("namespaceSelector") is not None
    if block is None:
        return [] if others else [errors.required(field, "must specify a peer")]
    if others:
        return [errors.forbidden_field(field, "may not specify both ipBlock and another peer")]
    here, whole = f"{field}.ipBlock", block.get("cidr", "")
    if not whole:
        return []
    if problems := cidr_problems(whole):
        return [errors.invalid_value(f"{here}.cidr", whole, problem) for problem in problems]
    causes: list[Cause] = []
    for index, part in enumerate(block.get("except") or ()):
        problems = cidr_problems(part)
        if not problems and not _is_inside(part, whole):
            problems = ("must be a strict subset of `cidr`",)
        causes += [errors.invalid_value(f"{here}.except[{index}]", part, problem) for problem in problems]
    return causes


def _is_inside(part: str, whole: str) -> bool:
    inner, outer = ipaddress.ip_network(part), ipaddress.ip_network(whole)
    if isinstance(inner, ipaddress.IPv4Network) and isinstance(outer, ipaddress.IPv4Network):
        return inner != outer and inner.subnet_of(outer)
    if isinstance(inner, ipaddress.IPv6Network) and isinstance(outer, ipaddress.IPv6Network):
        return inner != outer and inner.subnet_of(outer)
    return False


def address_problems(text: str) -> list[str]:
    """The faults of the address of something outside of this machine."""
    if problems := ip_problems(text):
        return list(problems)
    address = ipaddress.ip_address(text)
    found = []
    if address.is_unspecified:
        found.append(f"may not be unspecified ({address})")
    if address.is_loopback:
        found.append("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        found.append("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if address.is_multicast and not (isinstance(address, ipaddress.IPv6Address) and not address.is_link_local):
        found.append("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
    return found


def endpoint_slice(new: Object, old: Object | None) -> list[Cause]:
    kind = new.get("addressType")
    if kind not in (None, "", "IPv4", "IPv6", "FQDN"):
        return [errors.unsupported_value("addressType", kind, ("FQDN", "IPv4", "IPv6"))]
    causes: list[Cause] = []
    if old is not None and kind != old.get("addressType"):
        causes.append(errors.invalid_value("addressType", kind, "field is immutable"))
    for index, endpoint in enumerate(new.get("endpoints") or ()):
        field = f"endpoints[{index}].addresses"
        if not endpoint.get("addresses"):
            causes.append(errors.required(field, "must contain at least 1 address"))
        for number, address in enumerate(endpoint.get("addresses") or ()):
            causes += _slice_address_causes(address, kind, field, number)
    names: set[str] = set()
    for index, port in enumerate(new.get("ports") or ()):
        if (name := port.get("name", "")) in names:
            causes.append(errors.duplicate(f"ports[{index}].name", name))
        names.add(name)
    return causes


def _slice_address_causes(address: str, kind: Any, field: str, number: int) -> list[Cause]:
    here = f"{field}[{number}]"
    if kind not in _FAMILIES:
        return [errors.invalid_value(here, address, problem) for problem in subdomain_problems(address)]
    causes: list[Cause] = []
    if ip_problems(address) or ipaddress.ip_address(address).version != _FAMILIES[kind]:
        causes.append(errors.invalid_value(field, address, f"must be an {kind} address"))
    return causes + [errors.invalid_value(here, address, problem) for problem in address_problems(address)]


def endpoints(new: Object, old: Object | None) -> list[Cause]:
    causes: list[Cause] = []
    for index, subset in enumerate(new.get("subsets") or ()):
        here = f"subsets[{index}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            detail = "must specify `addresses` or `notReadyAddresses`"
            causes.append(errors.required(here, detail))
        for member in ("addresses", "notReadyAddresses"):
            for number, address in enumerate(subset.get(member) or ()):
                field = f"{here}.{member}[{number}].ip"
                problems = address_problems(address.get("ip", ""))
                causes += [errors.invalid_value(field, address.get("ip", ""), problem) for problem in problems]
        ports = subset.get("ports") or ()
        causes += [
            errors.required(f"{here}.ports[{number}].name")
            for number, port in enumerate(ports)
            if len(ports) > 1 and not port.get("name")
        ]
    return causes

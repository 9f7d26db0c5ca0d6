"""Addresses and node ports for Services: each is given once, and nothing answers there."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.state import State
from harness.clusters.embedded.values import Object

__all__ = ["give_addresses"]

_RANGE = ipaddress.ip_network("10.0.0.0/16")
_PORTS = range(30000, 32768)
_WITH_PORTS = ("NodePort", "LoadBalancer")
_RESERVED = 2
"""Addresses at the start of the range: the network's own, and that of the API server."""


def give_addresses(state: State, new: Object, old: Object | None) -> Object:
    """A Service with the addresses that it needs and has not. Raises the 422 refusal for those that others have.

    The argument stays as it is.
    """
    spec = new.get("spec") or {}
    kind = spec.get("type", "ClusterIP")
    if kind == "ExternalName":
        return new
    needs_ports = kind in _WITH_PORTS and spec.get("allocateLoadBalancerNodePorts") is not False
    if old is not None and spec.get("clusterIP") and not needs_ports:
        return new
    name = (new["metadata"].get("namespace", ""), new["metadata"].get("name", ""))
    others = [
        entry.object for key, entry in state.collection(state.registry.storing("services")).entries("") if key != name
    ]
    causes: list[Cause] = []
    taken = {str(_RANGE[1])} | {(one.get("spec") or {}).get("clusterIP", "") for one in others}
    given = _with_address(spec, taken, state, causes)
    if kind in _WITH_PORTS:
        given = _with_ports(given, set(_node_ports(others)), needs_ports, state, causes)
    if causes:
        raise errors.invalid("", "Service", name[1], causes)
    return {**new, "spec": given}


def _with_address(spec: Object, taken: set[str], state: State, causes: list[Cause]) -> Object:
    address = spec.get("clusterIP")
    if address == "None":
        return spec
    if address:
        if address in taken:
            detail = f"failed to allocate IP {address}: provided IP is already allocated"
            causes.append(errors.invalid_value("spec.clusterIPs", [address], detail))
        return spec
    size = _RANGE.num_addresses - 1
    start = int.from_bytes(state.randomness.bytes(4)) % size
    offsets = (_RESERVED + (start + step) % (size - _RESERVED) for step in range(size - _RESERVED))
    found = next((text for text in (str(_RANGE[offset]) for offset in offsets) if text not in taken), "")
    if not found:
        causes.append(
            Cause("InternalError", "spec.clusterIPs", "Internal error: failed to allocate a serviceIP: range is full")
        )
    families = {"clusterIPs": [found], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    return {**families, **spec, "clusterIP": found, "clusterIPs": [found]}


def _node_ports(services: list[Object]) -> Iterator[int]:
    for one in services:
        yield from (port["nodePort"] for port in (one.get("spec") or {}).get("ports") or () if port.get("nodePort"))


def _with_ports(spec: Object, taken: set[int], gives: bool, state: State, causes: list[Cause]) -> Object:
    ports = []
    for index, port in enumerate(spec.get("ports") or ()):
        field, number = f"spec.ports[{index}].nodePort", port.get("nodePort")
        if number and number not in _PORTS:
            detail = f"provided port is not in the valid range. The range of valid ports is {_PORTS[0]}-{_PORTS[-1]}"
            causes.append(errors.invalid_value(field, number, detail))
        elif number and number in taken:
            causes.append(errors.invalid_value(field, number, "provided port is already allocated"))
        elif not number and gives:
            start = int.from_bytes(state.randomness.bytes(4))
            free = (_PORTS[(start + step) % len(_PORTS)] for step in range(len(_PORTS)))
            number = next((one for one in free if one not in taken), 0)
        taken.add(number or 0)
        ports.append({**port, "nodePort": number} if number else port)
    return {**spec, "ports": ports}

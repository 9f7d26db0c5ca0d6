"""Faults of a text, in the words of Kubernetes' validation."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from harness.clusters.embedded.metadata import label_problem, qualified_problem, subdomain_problem

__all__ = [
    "cidr_problems",
    "ip_problems",
    "label_problems",
    "path_problems",
    "port_name_problems",
    "port_number_problems",
    "subdomain_problems",
    "wildcard_problems",
]

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_WILDCARD = re.compile(rf"\*\.{_LABEL}(\.{_LABEL})*\Z")
_WILDCARD_MESSAGE = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', "
    r"regex used for validation is '\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_PORT_NAME = re.compile(r"[-a-z0-9]*\Z", re.ASCII)
_PORT_NAME_LIMIT = 15
_IP_MESSAGE = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_CIDR_MESSAGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def label_problems(text: str) -> Sequence[str]:
    """The faults of a DNS-1123 label."""
    if "." in text:
        return ("must not contain dots",)
    problem = label_problem(text)
    return (problem.replace("bytes", "characters"),) if problem else ()


def subdomain_problems(text: str) -> Sequence[str]:
    """The faults of a DNS-1123 subdomain."""
    problem = subdomain_problem(text)
    return (problem.replace("bytes", "characters"),) if problem else ()


def wildcard_problems(text: str) -> Sequence[str]:
    return () if _WILDCARD.match(text) else (_WILDCARD_MESSAGE,)


def port_name_problems(text: str) -> Sequence[str]:
    """The faults of a port's name (RFC 6335)."""
    found = []
    if len(text) > _PORT_NAME_LIMIT:
        found.append(f"must be no more than {_PORT_NAME_LIMIT} characters")
    if not _PORT_NAME.match(text):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not any("a" <= char <= "z" for char in text):
        found.append("must contain at least one letter (a-z)")
    if "--" in text:
        found.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        found.append("must not begin or end with a hyphen")
    return found


def port_number_problems(number: int) -> Sequence[str]:
    return () if 0 < number < 1 << 16 else ("must be between 1 and 65535, inclusive",)


def path_problems(text: str) -> Sequence[str]:
    """The faults of a name with a domain before it: ``acme.io/foo``."""
    domain, slash, rest = text.partition("/")
    if not slash or not domain or not rest:
        return ('must be a domain-prefixed path (such as "acme.io/foo")',)
    return subdomain_problems(domain) or ([problem] if (problem := qualified_problem(rest)) else ())


def ip_problems(text: str) -> Sequence[str]:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return (_IP_MESSAGE,)
    return () if "%" not in text else (_IP_MESSAGE,)


def cidr_problems(text: str) -> Sequence[str]:
    """The faults of a range of addresses, whose address is its first."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return (_CIDR_MESSAGE,)
    address, slash, _ = text.partition("/")
    if not slash:
        return (_CIDR_MESSAGE,)
    if ipaddress.ip_address(address) != network.network_address:
        return ("must not have bits set beyond the prefix length",)
    return ()

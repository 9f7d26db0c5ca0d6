"""Kubernetes' functions for CEL: lists, patterns, URLs, quantities, addresses, name formats, semantic versions.

Values that CEL has no type for, such as a URL, are maps with one key that no JSON object has.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cel_expr_python import cel

from harness.clusters.embedded.cel.pairs import PAIRS, TO_MAP, merged, pairs
from harness.clusters.embedded.formats import FORMATS
from harness.clusters.embedded.metadata import dns_1035_problem, label_problem, subdomain_problem
from harness.clusters.embedded.patterns import compile_pattern

__all__ = ["functions"]

T = cel.Type
Value = dict[str, Any]
_URL, _QUANTITY, _IP, _CIDR, _FORMAT, _SEMVER = ("@url", "@quantity", "@ip", "@cidr", "@format", "@semver")
_SUFFIXES: dict[str, Decimal | int] = {
    "": 1, "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": 10**3, "M": 10**6, "G": 10**9,
    "T": 10**12, "P": 10**15, "E": 10**18, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_DIGITS = 18
"""Of a quantity that Go keeps as an integer."""
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])?)", re.ASCII)
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII)


def _misfit(form: str, text: str) -> str | None:
    return None if FORMATS[form](text) else f"must be a valid {form}"


_NAMED: dict[str, Callable[[str], Any]] = {
    "dns1123Label": label_problem,
    "dns1123Subdomain": subdomain_problem,
    "dns1035Label": dns_1035_problem,
    **{
        name: partial(_misfit, form)
        for name, form in (
            ("uri", "uri"),
            ("uuid", "uuid"),
            ("byte", "byte"),
            ("date", "date"),
            ("datetime", "date-time"),
        )
    },
}


def _quantity(text: str) -> Value:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    try:
        number = Decimal(match[1] + (match[2] or "")) * _SUFFIXES[match[3] or ""]
    except InvalidOperation as error:
        raise ValueError(f"unable to parse quantity {text}") from error
    return {_QUANTITY: str(number.normalize())}


def _number(value: Value) -> Decimal:
    return Decimal(value[_QUANTITY])


def _integer(value: Value) -> int | None:
    """A quantity as an integer; None if Go does not keep it as one of 64 bits."""
    number = _number(value)
    if number.adjusted() > 18 or number != number.to_integral_value():  # a larger one may have a million digits
        return None
    if len(number.as_tuple().digits) > _DIGITS:
        return None
    return int(number)


def _as_integer(value: Value) -> int:
    integer = _integer(value)
    if integer is None:
        raise ValueError("cannot convert value to integer")
    return integer


def _equivalent(one: list[Any], other: list[Any]) -> bool:
    return all(item in one for item in other) and all(item in other for item in one)


def _url(text: str) -> Value:
    if not FORMATS["uri"](text):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid URI for request")
    return {_URL: text}


def _ip(text: str) -> Value:
    address = ipaddress.ip_address(text)
    if "%" in text or ("." in text and ":" in text):
        raise ValueError(f"IP Address {text!r} parse error during conversion from string")
    return {_IP: str(address)}


def _cidr(text: str) -> Value:
    address, slash, _ = text.partition("/")
    if not slash:
        raise ValueError("network address parse error during conversion from string: no '/'")
    return {_CIDR: f"{address}/{ipaddress.ip_network(text, strict=False).prefixlen}"}


def _network(value: Value) -> Any:
    return ipaddress.ip_network(value[_CIDR], strict=False)


def _contains(network: Any, other: Any) -> bool:
    return bool(network.version == other.version and other.subnet_of(network))


def _semver(text: str) -> Value:
    if _VERSION.fullmatch(text) is None:
        raise ValueError(f"Semver parse error during conversion from string: {text!r}")
    return {_SEMVER: text}


def _semver_key(value: Value) -> Any:
    match = _VERSION.fullmatch(value[_SEMVER])
    assert match is not None
    parts = [(0, int(one), "") if one.isdigit() else (1, 0, one) for one in (match[4] or "").split(".") if one]
    return int(match[1]), int(match[2]), int(match[3]), not parts, parts


def _reads(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def reads(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return reads


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = compile_pattern(pattern).all(text)
    return found if limit < 0 else found[:limit]


def _find(text: str, pattern: str) -> str:
    return compile_pattern(pattern).first(text)


def _sorted(items: list[Any]) -> bool:
    return all(one <= other for one, other in pairwise(items))


def _format(name: str) -> Callable[[], Value]:
    return lambda: {_FORMAT: name}


def _validate(form: Value, text: str) -> list[str]:
    """The faults of a text. A function here cannot return an optional: that comes from the text of the expression."""
    problem = _NAMED[form[_FORMAT]](text)
    return [problem] if problem else []


def _declared(name: str, *overloads: tuple[Any, tuple[Any, ...], Callable[..., Any]], member: bool = True) -> Any:
    return cel.FunctionDecl(
        name,
        [
            cel.Overload(
                f"kubernetes_{name}_{index}", return_type=made, parameters=list(taken), is_member=member, impl=do
            )
            for index, (made, taken, do) in enumerate(overloads)
        ],
    )


def _free(name: str, made: Any, do: Callable[..., Any], *taken: Any) -> Any:
    return _declared(name, (made, taken or (T.STRING,), do), member=False)


def _order(name: str, holds: Callable[[Any, Any], bool]) -> Any:
    def compare(one: Value, other: Value) -> bool:
        key = _number if _QUANTITY in one else _semver_key
        return holds(key(one), key(other))

    return _declared(name, (T.BOOL, (T.MAP, T.MAP), compare))


def functions() -> list[Any]:
    """The declarations of all functions."""
    return [
        _declared("sum", (T.DYN, (T.LIST,), sum)),
        _declared("min", (T.DYN, (T.LIST,), min)),
        _declared("max", (T.DYN, (T.LIST,), max)),
        _declared("isSorted", (T.BOOL, (T.LIST,), _sorted)),
        _declared("find", (T.STRING, (T.STRING, T.STRING), _find)),
        _declared(
            "findAll",
            (T.List(T.STRING), (T.STRING, T.STRING), _find_all),
            (T.List(T.STRING), (T.STRING, T.STRING, T.INT), _find_all),
        ),
        _free("url", T.MAP, _url),
        _free("isURL", T.BOOL, _reads(_url)),
        _declared("getScheme", (T.STRING, (T.MAP,), lambda url: urlsplit(url[_URL]).scheme)),
        _declared("getHost", (T.STRING, (T.MAP,), lambda url: urlsplit(url[_URL]).netloc.rpartition("@")[2])),
        _declared("getHostname", (T.STRING, (T.MAP,), lambda url: urlsplit(url[_URL]).hostname or "")),
        _declared("getPort", (T.STRING, (T.MAP,), lambda url: str(urlsplit(url[_URL]).port or ""))),
        _declared("getEscapedPath", (T.STRING, (T.MAP,), lambda url: urlsplit(url[_URL]).path)),
        _declared(
            "getQuery", (T.MAP, (T.MAP,), lambda url: parse_qs(urlsplit(url[_URL]).query, keep_blank_values=True))
        ),
        _free("quantity", T.MAP, _quantity),
        _free("isQuantity", T.BOOL, _reads(_quantity)),
        _order("isLessThan", lambda one, other: one < other),
        _order("isGreaterThan", lambda one, other: one > other),
        _declared(
            "compareTo",
            (
                T.INT,
                (T.MAP, T.MAP),
                lambda one, other: (_number(one) > _number(other)) - (_number(one) < _number(other)),
            ),
        ),
        _declared("isInteger", (T.BOOL, (T.MAP,), lambda one: _integer(one) is not None)),
        _declared("asInteger", (T.INT, (T.MAP,), _as_integer)),
        _declared("sign", (T.INT, (T.MAP,), lambda one: (_number(one) > 0) - (_number(one) < 0))),
        _declared("asApproximateFloat", (T.DOUBLE, (T.MAP,), lambda one: float(_number(one)))),
        _declared("add", (T.MAP, (T.MAP, T.MAP), lambda one, other: {_QUANTITY: str(_number(one) + _number(other))})),
        _declared("sub", (T.MAP, (T.MAP, T.MAP), lambda one, other: {_QUANTITY: str(_number(one) - _number(other))})),
        _free("sets.contains", T.BOOL, lambda one, other: all(item in one for item in other), T.LIST, T.LIST),
        _free("sets.equivalent", T.BOOL, _equivalent, T.LIST, T.LIST),
        _free("sets.intersects", T.BOOL, lambda one, other: any(item in one for item in other), T.LIST, T.LIST),
        _declared(PAIRS, (T.LIST, (T.LIST,), pairs), (T.LIST, (T.MAP,), pairs)),
        _declared(TO_MAP, (T.MAP, (T.LIST,), merged)),
        _free("ip", T.MAP, _ip),
        _free("isIP", T.BOOL, _reads(_ip)),
        _declared("family", (T.INT, (T.MAP,), lambda ip: ipaddress.ip_address(ip[_IP]).version)),
        _declared("isLoopback", (T.BOOL, (T.MAP,), lambda ip: ipaddress.ip_address(ip[_IP]).is_loopback)),
        _free("cidr", T.MAP, _cidr),
        _free("isCIDR", T.BOOL, _reads(_cidr)),
        _declared(
            "containsIP",
            (T.BOOL, (T.MAP, T.STRING), lambda net, ip: ipaddress.ip_address(ip) in _network(net)),
            (T.BOOL, (T.MAP, T.MAP), lambda net, ip: ipaddress.ip_address(ip[_IP]) in _network(net)),
        ),
        _declared(
            "containsCIDR",
            (T.BOOL, (T.MAP, T.STRING), lambda net, other: _contains(_network(net), _network(_cidr(other)))),
            (T.BOOL, (T.MAP, T.MAP), lambda net, other: _contains(_network(net), _network(other))),
        ),
        _declared("prefixLength", (T.INT, (T.MAP,), lambda net: _network(net).prefixlen)),
        *(_declared(f"format.{name}", (T.MAP, (), _format(name)), member=False) for name in _NAMED),
        _declared("validate", (T.DYN, (T.MAP, T.STRING), _validate)),
        _free("semver", T.MAP, _semver),
        _free("isSemver", T.BOOL, _reads(_semver)),
        *(
            _declared(part, (T.INT, (T.MAP,), lambda one, index=index: _semver_key(one)[index]))
            for index, part in enumerate(("major", "minor", "patch"))
        ),
    ]

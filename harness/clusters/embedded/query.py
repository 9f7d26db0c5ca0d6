"""Query parameters as the API server reads them: apimachinery's conversions of ``url.Values``, and Go's strconv."""

from __future__ import annotations

from collections.abc import Mapping

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import bad_request
from harness.clusters.requests import boolean, flag

__all__ = ["check_list_options", "integer", "is_pretty"]

Query = Mapping[str, str]

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
"""The words that Go's ``strconv.ParseBool`` takes for true."""
_LARGEST = (1 << 63) - 1
_TERMINALS = ("curl", "Wget", "Mozilla/5.0")


def integer(query: Query, name: str) -> int | None:
    """A 64-bit number, None where it is absent. Raises the 400 refusal with the words of ``strconv.ParseInt``."""
    text = query.get(name)
    if text is None:
        return None
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    value = int(text) if len(digits.lstrip("0")) < 20 else _LARGEST + 2
    if not -_LARGEST - 1 <= value <= _LARGEST:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value


def check_list_options(query: Query) -> None:
    """Raise the 422 refusal for options of a list or a watch that contradict each other."""
    watch, initial = flag(query, "watch"), boolean(query, "sendInitialEvents")
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    supported = ("NotOlderThan",) if watch else ("Exact", "NotOlderThan", "")
    forbidden = {
        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan": (
            watch and initial is not None and match != "NotOlderThan"
        ),
        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided": (
            watch and match and initial is None
        ),
        "resourceVersionMatch is forbidden unless resourceVersion is provided": not watch and match and not version,
        "resourceVersionMatch is forbidden when continue is provided": match and query.get("continue"),
        'resourceVersionMatch "exact" is forbidden for resourceVersion "0"': (
            not watch and match == "Exact" and version == "0"
        ),
    }
    causes = [errors.forbidden_field("resourceVersionMatch", detail) for detail, holds in forbidden.items() if holds]
    if match and match not in supported:
        causes.append(errors.unsupported_value("resourceVersionMatch", match, supported))
    if not watch and initial is not None:
        causes.append(errors.forbidden_field("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if causes:
        raise errors.invalid("meta.k8s.io", "ListOptions", "", causes)


def is_pretty(query: Query, user_agent: str) -> bool:
    """Whether to indent an answer: as ``pretty`` says, else for programs that show it unchanged to a person.

    Only this parameter is read by ``strconv.ParseBool``; a word that it does not know is false.
    """
    wanted = query.get("pretty", "")
    return wanted in _TRUE if wanted else user_agent.startswith(_TERMINALS)

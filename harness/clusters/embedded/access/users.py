"""Users, and how a request may act as another one (impersonation)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from harness.clusters.embedded.errors import bad_request
from harness.clusters.embedded.values import Object

__all__ = ["ADMIN", "ANONYMOUS", "AUTHENTICATED", "MASTERS", "User", "account_groups", "impersonated"]

MASTERS = "system:masters"
"""The group that may do everything."""
AUTHENTICATED = "system:authenticated"
_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class User:
    """The user that makes a request."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, list[str]] = field(default_factory=dict, hash=False)

    @property
    def is_master(self) -> bool:
        return MASTERS in self.groups

    def info(self) -> Object:
        """As reviews show it (``UserInfo``)."""
        members = {
            "username": self.name,
            "uid": self.uid,
            "groups": list(self.groups),
            "extra": dict(self.extra),
        }
        return {name: value for name, value in members.items() if value}


ADMIN = User("wasmbed", (MASTERS, AUTHENTICATED), "wasmbed")
"""The harness's own clients, and the bearer of the cluster's token."""
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


def account_groups(name: str) -> tuple[str, ...]:
    """The groups of a user that is a ServiceAccount; none for others."""
    if not name.startswith(_ACCOUNT):
        return ()
    namespace = name.removeprefix(_ACCOUNT).partition(":")[0]
    return "system:serviceaccounts", f"system:serviceaccounts:{namespace}"


def impersonated(headers: Mapping[str, str]) -> User | None:
    """The user that a request's headers name; None where they name none. Raises the 400 refusal for half a name."""
    if not any(header[:12].lower() == "impersonate-" for header in headers):
        return None
    name = headers.get("impersonate-user", "")
    groups = _values(headers, "impersonate-group")
    uid = headers.get("impersonate-uid", "")
    extra = {
        unquote(header.lower().removeprefix("impersonate-extra-")): _values(headers, header)
        for header in headers
        if header.lower().startswith("impersonate-extra-")
    }
    if not name:
        if not (groups or uid or extra):
            return None
        raise bad_request(f"requested {_go(groups, uid, extra)} without impersonating a user name")
    wanted = tuple(groups) or account_groups(name)
    if name != ANONYMOUS.name and AUTHENTICATED not in wanted:
        wanted = (*wanted, AUTHENTICATED)
    elif name == ANONYMOUS.name and not wanted:
        wanted = ANONYMOUS.groups
    return User(name, wanted, uid, extra)


def _values(headers: Mapping[str, str], name: str) -> list[str]:
    every: Any = getattr(headers, "getall", None)
    if every is not None:
        return list(every(name, ()))
    return [headers[name]] if name in headers else []


def _go(groups: list[str], uid: str, extra: Mapping[str, list[str]]) -> str:
    """A user as Go's ``%#v`` prints it."""
    quoted = ", ".join(f'"{group}"' for group in groups)
    listed = f"[]string{{{quoted}}}" if groups else "[]string(nil)"
    more = ", ".join(
        f'"{key}":[]string{{{", ".join(chr(34) + item + chr(34) for item in items)}}}' for key, items in extra.items()
    )
    shown = f"map[string][]string{{{more}}}" if extra else "map[string][]string(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:"{uid}", Groups:{listed}, Extra:{shown}}}'

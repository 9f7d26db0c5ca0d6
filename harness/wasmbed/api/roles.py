"""The three roles of callers, as RBAC rules: each may do what the one before it may, and more."""

from __future__ import annotations

from dataclasses import dataclass

from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.names import GROUP

__all__ = ["ROLES", "Role"]

_READ = ("get", "list", "watch")
_RBAC = "rbac.authorization.k8s.io"


_CORE, _METRICS = "", "metrics.k8s.io"
Rules = dict[tuple[str, str], tuple[str, ...]]
"""Verbs by API group and resource."""


@dataclass(frozen=True, slots=True)
class Role:
    """The rights of a caller."""

    name: str
    rules: Rules

    def policy(self) -> list[Object]:
        """Return the rules in the form of RBAC."""
        return [
            {"apiGroups": [group], "resources": [plural], "verbs": list(verbs)}
            for (group, plural), verbs in self.rules.items()
        ]

    def objects(self, namespace: str, account: str) -> list[Object]:
        """Return the Role, and the RoleBinding that gives it to a ServiceAccount of the namespace."""
        name = f"wasmbed-{self.name}"
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        reference = {"apiGroup": _RBAC, "kind": "Role", "name": name}
        metadata = {"name": name, "namespace": namespace}
        return [
            {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": self.policy()},
            {
                "apiVersion": f"{_RBAC}/v1",
                "kind": "RoleBinding",
                "metadata": {**metadata, "name": f"{name}-{account}"},
                "subjects": [subject],
                "roleRef": reference,
            },
        ]


_PLATFORM: Rules = {
    (GROUP, "devices/log"): ("get",),
    (_CORE, "pods"): ("get", "list"),
    (_CORE, "pods/log"): ("get",),
    (_CORE, "services"): ("get", "list"),
    (_METRICS, "pods"): ("list",),
}
"""Rights to read the consoles of boards, and the parts that run the platform: each role has them."""
_TERMINAL: Rules = {
    (GROUP, "terminals"): ("create",),
    (_CORE, "events"): ("list",),
    (_CORE, "configmaps"): ("list",),
}
"""The terminal, and what only it shows. There are no such resources as terminals: the name is for rules like these."""
ROLES = {
    role.name: role
    for role in (
        Role(
            "viewer",
            {(GROUP, "devices"): _READ, (GROUP, "applications"): _READ, (GROUP, "gateways"): _READ, **_PLATFORM},
        ),
        Role(
            "operator",
            {
                (GROUP, "devices"): (*_READ, "create", "patch"),
                (GROUP, "applications"): (*_READ, "create", "patch", "delete"),
                (GROUP, "gateways"): _READ,
                **_PLATFORM,
                **_TERMINAL,
            },
        ),
        Role(
            "admin",
            {
                (GROUP, "devices"): (*_READ, "create", "patch", "delete"),
                (GROUP, "applications"): (*_READ, "create", "patch", "delete"),
                (GROUP, "gateways"): (*_READ, "create", "patch", "delete"),
                (GROUP, "secrets"): (*_READ, "create", "delete"),
                **_PLATFORM,
                **_TERMINAL,
            },
        ),
    )
}

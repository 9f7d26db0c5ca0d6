"""The three roles of callers, as RBAC rules: each may do what the one before it may, and more."""

from __future__ import annotations

from dataclasses import dataclass

from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.names import GROUP

__all__ = ["ROLES", "Role"]

_READ = ("get", "list", "watch")
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Role:
    """``rules`` are verbs by resource."""

    name: str
    rules: dict[str, tuple[str, ...]]

    def objects(self, namespace: str, account: str) -> list[Object]:
        """Return the Role, and the RoleBinding that gives it to a ServiceAccount of the namespace."""
        name = f"wasmbed-{self.name}"
        rules = [
            {"apiGroups": [GROUP], "resources": [plural], "verbs": list(verbs)} for plural, verbs in self.rules.items()
        ]
        subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
        reference = {"apiGroup": _RBAC, "kind": "Role", "name": name}
        metadata = {"name": name, "namespace": namespace}
        return [
            {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
            {
                "apiVersion": f"{_RBAC}/v1",
                "kind": "RoleBinding",
                "metadata": {**metadata, "name": f"{name}-{account}"},
                "subjects": [subject],
                "roleRef": reference,
            },
        ]


ROLES = {
    role.name: role
    for role in (
        Role("viewer", {"devices": _READ, "applications": _READ, "gateways": _READ}),
        Role(
            "operator",
            {
                "devices": (*_READ, "create", "patch"),
                "applications": (*_READ, "create", "patch", "delete"),
                "gateways": _READ,
            },
        ),
        Role(
            "admin",
            {
                "devices": (*_READ, "create", "patch", "delete"),
                "applications": (*_READ, "create", "patch", "delete"),
                "gateways": (*_READ, "patch", "delete"),
                "secrets": (*_READ, "create", "delete"),
            },
        ),
    )
}

"""ServiceAccounts with one of the three roles, and tokens of theirs, for callers who have none yet."""

from __future__ import annotations

from contextlib import suppress

from harness.wasmbed.api.roles import ROLES
from harness.wasmbed.resources.api import Conflict, Object, Resource, ResourceApi
from harness.wasmbed.resources.kinds import SERVICE_ACCOUNT

__all__ = ["token_of"]

_RBAC = "rbac.authorization.k8s.io"
_KINDS = {
    "Role": Resource(_RBAC, "v1", "roles", "Role"),
    "RoleBinding": Resource(_RBAC, "v1", "rolebindings", "RoleBinding"),
}


async def token_of(role: str, api: ResourceApi, namespace: str, seconds: int = 3600) -> str:
    """Return a token of the ServiceAccount that is called as the role; account, Role and RoleBinding are made
    if they are missing. Raises :class:`ApiError` for credentials that may not do that."""
    account: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": role}}
    with suppress(Conflict):
        await api.create(SERVICE_ACCOUNT, account)
    for each in ROLES[role].objects(namespace, role):
        with suppress(Conflict):
            await api.create(_KINDS[each["kind"]], each)
    request: Object = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": seconds},
    }
    answer = await api.create(Resource("", "v1", f"serviceaccounts/{role}/token", "TokenRequest"), request)
    return str(answer["status"]["token"])

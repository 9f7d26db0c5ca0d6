"""The roles and bindings that every cluster has, as far as people bind to them or rely on them."""

from __future__ import annotations

from functools import cache

from harness.clusters.embedded.access.users import AUTHENTICATED, MASTERS
from harness.clusters.embedded.kinds.access_rules import GROUP
from harness.clusters.embedded.kinds.table import kinds
from harness.clusters.embedded.state import State
from harness.clusters.embedded.values import Object, copy_value

__all__ = ["install_defaults"]

_READ = ["get", "list", "watch"]
_WRITE = ["create", "delete", "deletecollection", "patch", "update"]
_PUBLIC = ["/healthz", "/livez", "/readyz", "/version", "/version/"]
_DISCOVERY = ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz",
              "/version", "/version/"]  # fmt: skip
_LABEL = "rbac.authorization.k8s.io/aggregate-to-"
_ONLY_READ = {"limitranges", "resourcequotas", "endpoints", "endpointslices", "controllerrevisions"}


def _urls(*paths: str) -> Object:
    return {"verbs": ["get"], "nonResourceURLs": list(paths)}


def _rule(group: str, resources: list[str], verbs: list[str]) -> Object:
    return {"verbs": verbs, "apiGroups": [group], "resources": resources}


def _everything() -> list[Object]:
    return [_rule("*", ["*"], ["*"]), {"verbs": ["*"], "nonResourceURLs": ["*"]}]


@cache
def _roles() -> dict[str, Object]:
    """Every ClusterRole by its name."""
    review = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]
    found: dict[str, Object] = {
        "cluster-admin": {"rules": _everything()},
        "system:basic-user": {
            "rules": [
                _rule("authorization.k8s.io", review, ["create"]),
                _rule("authentication.k8s.io", ["selfsubjectreviews"], ["create"]),
            ]
        },
        "system:discovery": {"rules": [_urls(*_DISCOVERY)]},
        "system:public-info-viewer": {"rules": [_urls(*_PUBLIC)]},
        "system:monitoring": {"rules": [_urls("/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/readyz",
                                              "/readyz/*")]},
        "system:auth-delegator": {
            "rules": [
                _rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
                _rule("authorization.k8s.io", ["subjectaccessreviews"], ["create"]),
            ]
        },
        "system:service-account-issuer-discovery": {
            "rules": [_urls("/.well-known/openid-configuration", "/openid/v1/jwks", "/openid/v1/jwks/")]
        },
    }  # fmt: skip
    for name, own, others in (("view", _viewing(), ()), ("edit", _editing(), ("view",)),
                              ("admin", _administering(), ("edit",))):  # fmt: skip
        selectors = [{"matchLabels": {f"{_LABEL}{one}": "true"}} for one in (name, *others)]
        found[name] = {"aggregationRule": {"clusterRoleSelectors": selectors}, "rules": None}
        found[f"system:aggregate-to-{name}"] = {"rules": own, "labels": {f"{_LABEL}{name}": "true"}}
    found["view"]["labels"] = {f"{_LABEL}edit": "true"}
    found["edit"]["labels"] = {f"{_LABEL}admin": "true"}
    return found


def _plurals(leave_out: set[str]) -> dict[str, list[str]]:
    """The namespaced resources of each group, with their status."""
    found: dict[str, list[str]] = {}
    for served in kinds():
        if served.namespaced and served.group != GROUP and served.plural not in leave_out:
            found.setdefault(served.group, []).append(served.plural)
            if served.has_status:
                found[served.group].append(f"{served.plural}/status")
    return found


def _viewing() -> list[Object]:
    return [
        _rule("", ["events", "namespaces"], _READ),
        *(_rule(group, resources, _READ) for group, resources in _plurals({"secrets"}).items()),
    ]


def _editing() -> list[Object]:
    writable = {
        group: [name for name in resources if "/" not in name] for group, resources in _plurals(_ONLY_READ).items()
    }
    return [
        _rule("", ["secrets"], _READ),
        _rule("", ["serviceaccounts"], ["impersonate"]),
        _rule("", ["serviceaccounts/token"], ["create"]),
        *(_rule(group, resources, _WRITE) for group, resources in writable.items()),
    ]


def _administering() -> list[Object]:
    return [
        _rule("authorization.k8s.io", ["localsubjectaccessreviews"], ["create"]),
        _rule(GROUP, ["rolebindings", "roles"], [*_READ, *_WRITE]),
    ]


_BINDINGS = {
    "cluster-admin": (MASTERS,),
    "system:basic-user": (AUTHENTICATED,),
    "system:discovery": (AUTHENTICATED,),
    "system:public-info-viewer": (AUTHENTICATED, "system:unauthenticated"),
    "system:monitoring": ("system:monitoring",),
    "system:service-account-issuer-discovery": ("system:serviceaccounts",),
}
"""The groups to which roles are given."""


_BOOTSTRAPPED = {"kubernetes.io/bootstrapping": "rbac-defaults"}


def install_defaults(state: State) -> None:
    """Store the default roles and bindings in an empty store."""
    for name, role in _roles().items():
        members = copy_value(role)
        labels = {**_BOOTSTRAPPED, **members.pop("labels", {})}
        _store(state, "ClusterRole", "clusterroles", name, labels, members)
    for name, groups in _BINDINGS.items():
        subjects = [{"kind": "Group", "apiGroup": GROUP, "name": group} for group in groups]
        reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": name}
        members = {"subjects": subjects, "roleRef": reference}
        _store(state, "ClusterRoleBinding", "clusterrolebindings", name, _BOOTSTRAPPED, members)


def _store(state: State, kind: str, plural: str, name: str, labels: Object, members: Object) -> None:
    served = state.registry.storing(f"{plural}.{GROUP}")
    metadata = {
        "name": name,
        "uid": state.randomness.uuid(),
        "creationTimestamp": state.now(),
        "labels": labels,
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    }
    made = {"kind": kind, "apiVersion": f"{GROUP}/v1", "metadata": metadata, **members}
    state.store.write(state.collection(served), "ADDED", ("", name), made)

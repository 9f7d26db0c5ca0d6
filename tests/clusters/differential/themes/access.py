"""Access: roles and bindings, impersonation, anonymous requests, reviews, tokens of ServiceAccounts."""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import Request, Theme, delete, get, patch, post, prepare, put

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ROLES, _BINDINGS = f"{_RBAC}/namespaces/$NS/roles", f"{_RBAC}/namespaces/$NS/rolebindings"
_MAPS = "/api/v1/namespaces/$NS/configmaps"
_ACCOUNTS = "/api/v1/namespaces/$NS/serviceaccounts"
_REVIEWS = "/apis/authorization.k8s.io/v1"
_JANE = {"Impersonate-User": "jane-$NS"}
_MAKER = {"Impersonate-User": "maker-$NS"}
_BOT = {"Authorization": "Bearer $token.status.token"}
_NOBODY: dict[str, str | None] = {"Authorization": None}
_GROUP = "rbac.authorization.k8s.io"


def _user(name: str) -> dict[str, str]:
    return {"kind": "User", "apiGroup": _GROUP, "name": f"{name}-$NS"}


def _role(name: str, *rules: dict[str, Any], kind: str = "Role") -> dict[str, Any]:
    return {"apiVersion": f"{_GROUP}/v1", "kind": kind, "metadata": {"name": name}, "rules": list(rules)}


def _bind(name: str, role: str, *subjects: dict[str, str], kind: str = "Role") -> dict[str, Any]:
    reference = {"apiGroup": _GROUP, "kind": kind, "name": role}
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": list(subjects)}


def _rule(resources: str, verbs: str, group: str = "", **more: Any) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split(), **more}


def _can(name: str, user: str = "jane", **attributes: str) -> Request:
    """Ask whether a user may do something."""
    spec = {"user": f"{user}-$NS", "resourceAttributes": attributes}
    return post(f"may {user}: {name}", f"{_REVIEWS}/subjectaccessreviews", {"spec": spec})


THEME = Theme(
    "access",
    "Access: roles, impersonation, reviews, tokens",
    [
        get("nobody lists namespaces", "/api/v1/namespaces", headers=_NOBODY),
        get("nobody asks for groups", "/apis", headers=_NOBODY),
        get("nobody asks whether it is well", "/healthz", headers=_NOBODY),
        get("nobody asks for a path that is not there", "/nothing", headers=_NOBODY),
        post("nobody asks who it is", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, headers=_NOBODY),
        get("a wrong token", "/api/v1/namespaces", headers={"Authorization": "Bearer wrong"}),
        get("a wrong token where none is needed", "/version", headers={"Authorization": "Bearer wrong"}),
        get("another scheme", "/api/v1/namespaces", headers={"Authorization": "Basic YTpi"}),
        get("jane lists without a right", _MAPS, headers=_JANE),
        get("jane gets without a right", f"{_MAPS}/one", headers=_JANE),
        get("jane lists everywhere", "/api/v1/configmaps", headers=_JANE),
        post("jane creates", _MAPS, {"metadata": {"name": "one"}}, headers=_JANE),
        put("jane replaces", f"{_MAPS}/one", {"metadata": {"name": "one"}}, headers=_JANE),
        patch("jane patches", f"{_MAPS}/one", {}, headers=_JANE),
        delete("jane deletes", f"{_MAPS}/one", headers=_JANE),
        delete("jane deletes all", _MAPS, headers=_JANE),
        get("jane watches", f"{_MAPS}?watch=true&timeoutSeconds=1", headers=_JANE),
        get("jane reads a log", "/api/v1/namespaces/$NS/pods/one/log", headers=_JANE),
        get("jane gets a status", "/apis/apps/v1/namespaces/$NS/deployments/one/status", headers=_JANE),
        get("jane gets a namespace", "/api/v1/namespaces/$NS", headers=_JANE),
        get("jane asks whether it is well", "/livez", headers=_JANE),
        get("jane asks for metrics", "/metrics", headers=_JANE),
        get("jane asks for a path that is not there", "/nothing", headers=_JANE),
        get("jane asks for a type that is not there", "/apis/nothing.example.org/v1/things", headers=_JANE),
        get("a group and no user", _MAPS, headers={"Impersonate-Group": "dev"}),
        post(
            "the user jane",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            {},
            headers={**_JANE, "Impersonate-Group": "dev", "Impersonate-Uid": "7", "Impersonate-Extra-Scopes": "a"},
        ),
        post(
            "the user of an account",
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            {},
            headers={"Impersonate-User": "system:serviceaccount:$NS:bot"},
        ),
        *prepare(
            post(
                "a role",
                _ROLES,
                _role(
                    "reader", _rule("configmaps", "get list watch"), _rule("secrets", "get", resourceNames=["known"])
                ),
            ),
            post("a binding", _BINDINGS, _bind("readers", "reader", _user("jane"))),
            get("it works", _MAPS, headers=_JANE, until=(200,)),
        ),
        get("jane lists with a right", f"{_MAPS}?fieldSelector=metadata.name%3Dnothing", headers=_JANE),
        get("jane gets what is not there", f"{_MAPS}/nothing", headers=_JANE),
        get("jane gets a Secret by its name", "/api/v1/namespaces/$NS/secrets/known", headers=_JANE),
        get("jane gets another Secret", "/api/v1/namespaces/$NS/secrets/other", headers=_JANE),
        get(
            "jane lists a Secret by its name",
            "/api/v1/namespaces/$NS/secrets?fieldSelector=metadata.name%3Dknown",
            headers=_JANE,
        ),
        get("jane in another namespace", "/api/v1/namespaces/default/configmaps", headers=_JANE),
        post("jane still may not create", _MAPS, {"metadata": {"name": "one"}}, headers=_JANE),
        _can("list", verb="list", resource="configmaps", namespace="$NS"),
        _can("delete", verb="delete", resource="configmaps", namespace="$NS"),
        _can("a subresource", verb="get", resource="configmaps", subresource="status", namespace="$NS"),
        _can("everything", verb="*", resource="*", namespace="$NS"),
        post(
            "may jane: a path",
            f"{_REVIEWS}/subjectaccessreviews",
            {"spec": {"user": "jane-$NS", "nonResourceAttributes": {"verb": "get", "path": "/healthz"}}},
        ),
        post(
            "may a group",
            f"{_REVIEWS}/subjectaccessreviews",
            {
                "spec": {
                    "groups": ["system:unauthenticated"],
                    "nonResourceAttributes": {"verb": "get", "path": "/healthz"},
                }
            },
            varies=("body.status.reason",),
        ),
        post(
            "may the masters",
            f"{_REVIEWS}/subjectaccessreviews",
            {
                "spec": {
                    "user": "a",
                    "groups": ["system:masters"],
                    "resourceAttributes": {"verb": "delete", "resource": "nodes"},
                }
            },
        ),
        post(
            "a review of nobody",
            f"{_REVIEWS}/subjectaccessreviews",
            {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}},
        ),
        post("a review of nothing", f"{_REVIEWS}/selfsubjectaccessreviews", {"spec": {}}),
        post(
            "a review of two things",
            f"{_REVIEWS}/selfsubjectaccessreviews",
            {
                "spec": {
                    "resourceAttributes": {"verb": "get", "resource": "pods"},
                    "nonResourceAttributes": {"verb": "get", "path": "/healthz"},
                }
            },
            varies=("body.status.reason",),
        ),
        post(
            "may I",
            f"{_REVIEWS}/selfsubjectaccessreviews",
            {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "namespace": "$NS"}}},
        ),
        post(
            "may I, asks jane",
            f"{_REVIEWS}/selfsubjectaccessreviews",
            {"spec": {"resourceAttributes": {"verb": "get", "resource": "configmaps", "namespace": "$NS"}}},
            headers=_JANE,
        ),
        post(
            "a local review",
            f"{_REVIEWS}/namespaces/$NS/localsubjectaccessreviews",
            {
                "spec": {
                    "user": "jane-$NS",
                    "resourceAttributes": {"verb": "get", "resource": "configmaps", "namespace": "$NS"},
                }
            },
        ),
        post(
            "a local review of elsewhere",
            f"{_REVIEWS}/namespaces/$NS/localsubjectaccessreviews",
            {
                "spec": {
                    "user": "jane-$NS",
                    "resourceAttributes": {"verb": "get", "resource": "configmaps", "namespace": "default"},
                }
            },
        ),
        post(
            "what may jane do",
            f"{_REVIEWS}/selfsubjectrulesreviews",
            {"spec": {"namespace": "$NS"}},
            headers=_JANE,
            varies=("body.status.nonResourceRules", "body.status.resourceRules"),
        ),
        post("what may I do, nowhere", f"{_REVIEWS}/selfsubjectrulesreviews", {"spec": {}}),
        get("reviews cannot be listed", f"{_REVIEWS}/selfsubjectaccessreviews"),
        *prepare(
            post(
                "a role that makes roles",
                _ROLES,
                _role("maker", _rule("roles rolebindings", "create update get list", _GROUP)),
            ),
            post("its binding", _BINDINGS, _bind("makers", "maker", _user("maker"))),
            get("it works", _ROLES, headers=_MAKER, until=(200,)),
        ),
        post("maker grants what it has", _ROLES, _role("less", _rule("roles", "get", _GROUP)), headers=_MAKER),
        post("maker grants what it has not", _ROLES, _role("more", _rule("pods secrets", "get list")), headers=_MAKER),
        post("maker binds what it has", _BINDINGS, _bind("same", "maker", _user("other")), headers=_MAKER),
        post("maker binds what it has not", _BINDINGS, _bind("other", "reader", _user("maker")), headers=_MAKER),
        post(
            "maker binds a role that is not there",
            _BINDINGS,
            _bind("nothing", "nowhere", _user("maker")),
            headers=_MAKER,
        ),
        put("a binding's role cannot change", f"{_BINDINGS}/makers", _bind("makers", "reader", _user("maker"))),
        put("a role by PUT", f"{_ROLES}/put", _role("put", _rule("pods", "get"))),
        post("an account", _ACCOUNTS, {"metadata": {"name": "bot"}}, save="bot"),
        post("a token of an account that is not there", f"{_ACCOUNTS}/nobody/token", {"spec": {}}),
        post("a short token", f"{_ACCOUNTS}/bot/token", {"spec": {"expirationSeconds": 5}}),
        post(
            "a token bound to a Pod that is not there",
            f"{_ACCOUNTS}/bot/token",
            {"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "nothing"}}},
        ),
        get("tokens cannot be read", f"{_ACCOUNTS}/bot/token"),
        *prepare(post("a token", f"{_ACCOUNTS}/bot/token", {"spec": {}}, save="token", until=(201,))),
        post("the user of a token", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, headers=_BOT),
        get("the bearer without a right", _MAPS, headers=_BOT),
        *prepare(
            post(
                "bind the account",
                _BINDINGS,
                _bind("bots", "reader", {"kind": "ServiceAccount", "name": "bot", "namespace": "$NS"}),
            ),
            get("it works", _MAPS, headers=_BOT, until=(200,)),
        ),
        get("the bearer with a right", f"{_MAPS}?fieldSelector=metadata.name%3Dnothing", headers=_BOT),
        post("the bearer may not impersonate", _MAPS, {}, headers={**_BOT, **_JANE}),
        post(
            "review of a good token",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            {"spec": {"token": "$token.status.token"}},
        ),
        post(
            "review of a good token for another audience",
            "/apis/authentication.k8s.io/v1/tokenreviews",
            {"spec": {"token": "$token.status.token", "audiences": ["other"]}},
        ),
        post("review of a wrong token", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": "wrong"}}),
        post("review of no token", "/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {}}),
        *prepare(delete("the account goes", f"{_ACCOUNTS}/bot"), get("it is gone", _MAPS, headers=_BOT, until=(401,))),
        get("a token whose account is gone", _MAPS, headers=_BOT),
    ],
)

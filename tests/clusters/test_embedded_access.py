"""Access: roles and bindings, impersonation, anonymous requests, reviews, and tokens of ServiceAccounts."""

from __future__ import annotations

import orjson
import pytest

from harness.clusters.embedded.access.roles import _KEPT
from harness.clusters.embedded.access.users import ANONYMOUS, User
from harness.clusters.embedded.messages import Request

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ROLES, BINDINGS = f"{RBAC}/namespaces/default/roles", f"{RBAC}/namespaces/default/rolebindings"
MAPS = "/api/v1/namespaces/default/configmaps"
SECRETS = "/api/v1/namespaces/default/secrets"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
REVIEWS = "/apis/authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
JANE = User("jane", ("dev", "system:authenticated"))


def role(name="reader", kind="Role", **rule):
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"], **rule}
    return {"metadata": {"name": name}, "rules": [rule]}


def binding(name="readers", bound="reader", kind="Role", **subject):
    subject = subject or {"kind": "User", "name": "jane"}
    return {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": bound},
        "subjects": [subject],
    }


async def as_user(api, user, method, path, body=b"", **headers):
    """Status and body of the answer to a user's request."""
    target, _, text = path.partition("?")
    query = dict(part.split("=", 1) for part in text.split("&") if part)
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await api.server.handle(Request(method, target, query, given, data, user=user))
    return answer.status, orjson.loads(answer.content.encode()) if answer.content_type.startswith("app") else None


async def test_a_user_without_a_role_may_only_look_around(api):
    code, status = await as_user(api, JANE, "GET", MAPS)
    assert (code, status["reason"]) == (403, "Forbidden")
    assert status["message"] == (
        'configmaps is forbidden: User "jane" cannot list resource "configmaps" in API group "" in the namespace '
        '"default"'
    )
    code, status = await as_user(api, JANE, "DELETE", "/apis/apps/v1/namespaces/default/deployments/web")
    assert status["message"].startswith('deployments.apps "web" is forbidden: User "jane" cannot delete resource')
    for path in ("/api", "/apis", "/api/v1", "/openapi/v3", "/version"):
        assert (await as_user(api, JANE, "GET", path))[0] == 200
    assert (await as_user(api, JANE, "GET", "/nothing"))[1]["message"] == (
        'forbidden: User "jane" cannot get path "/nothing"'
    )


async def test_an_anonymous_request_is_forbidden_but_for_health(api):
    code, status = await as_user(api, ANONYMOUS, "GET", "/api/v1/namespaces")
    assert (code, 'User "system:anonymous" cannot list' in status["message"]) == (403, True)
    assert (await as_user(api, ANONYMOUS, "GET", "/apis"))[0] == 403
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert (await as_user(api, ANONYMOUS, "GET", path))[0] == 200


@pytest.mark.parametrize(
    "subject",
    [
        {"kind": "User", "name": "jane"},
        {"kind": "Group", "name": "dev"},
    ],
)
async def test_a_role_gives_what_it_says_in_its_namespace(api, subject):
    await api("POST", ROLES, role())
    await api("POST", BINDINGS, {**binding(), "subjects": [subject]})
    assert (await as_user(api, JANE, "GET", MAPS))[0] == 200
    assert (await as_user(api, JANE, "GET", f"{MAPS}/nothing"))[0] == 404
    for method, path in (("POST", MAPS), ("GET", "/api/v1/configmaps"), ("GET", SECRETS), ("DELETE", f"{MAPS}/x")):
        assert (await as_user(api, JANE, method, path, {} if method == "POST" else b""))[0] == 403
    assert (await as_user(api, JANE, "GET", "/api/v1/namespaces/kube-system/configmaps"))[0] == 403


async def test_what_a_role_gives_ends_with_its_binding(api):
    await api("POST", ROLES, role())
    await api("POST", BINDINGS, binding())
    assert (await as_user(api, JANE, "GET", MAPS))[0] == 200
    await api("PUT", f"{ROLES}/reader", role(verbs=["create"]))
    assert (await as_user(api, JANE, "GET", MAPS))[0] == 403
    await api("PUT", f"{ROLES}/reader", role())
    assert (await as_user(api, JANE, "GET", MAPS))[0] == 200
    await api("DELETE", f"{BINDINGS}/readers")
    assert (await as_user(api, JANE, "GET", MAPS))[0] == 403


async def test_a_rule_about_names_holds_for_these_alone(api):
    await api("POST", ROLES, role(resources=["secrets"], verbs=["get", "list"], resourceNames=["known"]))
    await api("POST", BINDINGS, binding())
    assert (await as_user(api, JANE, "GET", f"{SECRETS}/known"))[0] == 404
    assert (await as_user(api, JANE, "GET", f"{SECRETS}/other"))[0] == 403
    assert (await as_user(api, JANE, "GET", SECRETS))[0] == 403
    assert (await as_user(api, JANE, "GET", f"{SECRETS}?fieldSelector=metadata.name=known"))[0] == 200


async def test_a_rule_about_paths(api):
    rules = [{"nonResourceURLs": ["/nothing/*"], "verbs": ["get"]}]
    await api("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "paths"}, "rules": rules})
    await api("POST", f"{RBAC}/clusterrolebindings", binding(bound="paths", kind="ClusterRole"))
    assert (await as_user(api, JANE, "GET", "/nothing/here"))[0] == 404
    assert (await as_user(api, JANE, "GET", "/elsewhere"))[0] == 403


async def test_an_aggregated_role_has_the_rules_of_those_it_selects(api):
    own = {"metadata": {"name": "things", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}}}
    rule = {"apiGroups": ["example.org"], "resources": ["widgets"], "verbs": ["get", "list"]}
    await api("POST", BINDINGS, binding(bound="view", kind="ClusterRole"))
    widgets = "/apis/example.org/v1/namespaces/default/widgets"
    assert (await as_user(api, JANE, "GET", MAPS))[0] == 200
    assert (await as_user(api, JANE, "GET", SECRETS))[0] == 403
    assert (await as_user(api, JANE, "GET", widgets))[0] == 403
    await api("POST", f"{RBAC}/clusterroles", {**own, "rules": [rule]})
    assert (await as_user(api, JANE, "GET", widgets))[0] == 200
    await api("PUT", f"{BINDINGS}/editors", binding("editors", "edit", "ClusterRole"))
    assert (await as_user(api, JANE, "GET", SECRETS))[0] == 200


async def test_roles_that_aggregate_each_other_end(api):
    selector = {"clusterRoleSelectors": [{"matchLabels": {"round": "about"}}]}
    for name in ("one", "two"):
        meta = {"name": name, "labels": {"round": "about"}}
        await api("POST", f"{RBAC}/clusterroles", {"metadata": meta, "aggregationRule": selector, "rules": []})
    await api("POST", BINDINGS, binding(bound="one", kind="ClusterRole"))
    assert (await as_user(api, JANE, "GET", MAPS))[0] == 403


async def test_a_binding_to_a_role_that_is_not_there_says_so(api):
    await api("POST", BINDINGS, binding(bound="nowhere", kind="ClusterRole"))
    message = (await as_user(api, JANE, "GET", MAPS))[1]["message"]
    assert message.endswith(': RBAC: clusterrole.rbac.authorization.k8s.io "nowhere" not found')


async def test_impersonation_acts_as_the_other_user(api):
    answer = await api.ask("GET", MAPS, impersonate_user="jane")
    assert answer.status == 403
    body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = await api.ask("POST", path, body, impersonate_user="jane", impersonate_group="dev", impersonate_uid="7")
    found = orjson.loads(answer.content.encode())["status"]["userInfo"]
    assert found == {"username": "jane", "uid": "7", "groups": ["dev", "system:authenticated"]}
    assert (await api.ask("GET", MAPS, impersonate_group="dev")).status == 400


async def test_impersonation_needs_a_right(api):
    code, status = await as_user(api, JANE, "GET", MAPS, impersonate_user="joe")
    assert (code, "impersonate" in status["message"]) == (403, True)
    rules = [{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["joe"]}]
    await api("POST", f"{RBAC}/clusterroles", {"metadata": {"name": "actor"}, "rules": rules})
    await api("POST", f"{RBAC}/clusterrolebindings", binding(bound="actor", kind="ClusterRole"))
    code, status = await as_user(api, JANE, "GET", MAPS, impersonate_user="joe")
    assert 'User "joe" cannot list' in status["message"]
    message = (await as_user(api, JANE, "GET", MAPS, impersonate_user="jim"))[1]["message"]
    assert 'User "jane" cannot impersonate-on:user-info:list' in message
    message = (await as_user(api, JANE, "GET", MAPS, impersonate_user="joe", impersonate_group="system:masters"))[1]
    assert message["code"] == 403


async def test_nobody_grants_what_they_do_not_have(api):
    await api(
        "POST",
        ROLES,
        role("maker", apiGroups=[GROUP], resources=["roles", "rolebindings"], verbs=["create", "update", "get"]),
    )
    await api("POST", ROLES, role())
    await api("POST", BINDINGS, binding("makers", "maker"))
    own = role("own", apiGroups=[GROUP], resources=["roles"], verbs=["get"])
    assert (await as_user(api, JANE, "POST", ROLES, own))[0] == 201
    code, status = await as_user(api, JANE, "POST", ROLES, role("more"))
    assert code == 403
    assert status["message"].endswith(
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["configmaps"], Verbs:["get" "list"]}'
    )
    assert (await as_user(api, JANE, "POST", BINDINGS, binding("more")))[0] == 403
    assert (await as_user(api, JANE, "POST", BINDINGS, binding("same", "maker")))[0] == 201
    assert (await as_user(api, JANE, "PUT", f"{ROLES}/own", role("own")))[0] == 403


async def test_reviews_answer_by_the_roles(api):
    await api("POST", ROLES, role())
    await api("POST", BINDINGS, binding())

    async def may(user, **attributes):
        spec = {"user": user, "resourceAttributes": {"namespace": "default", **attributes}}
        return (await api("POST", f"{REVIEWS}/subjectaccessreviews", {"spec": spec}))["status"]

    assert await may("jane", verb="get", resource="configmaps") == {
        "allowed": True,
        "reason": 'RBAC: allowed by RoleBinding "readers/default" of Role "reader" to User "jane"',
    }
    assert await may("jane", verb="delete", resource="configmaps") == {"allowed": False}
    assert await may("joe", verb="get", resource="configmaps") == {"allowed": False}
    code, answer = await as_user(
        api, JANE, "POST", f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}
    )
    assert code == 201
    assert role()["rules"][0] in answer["status"]["resourceRules"]
    assert answer["status"]["incomplete"] is False


async def test_tokens_of_an_account(api):
    await api("POST", ACCOUNTS, {"metadata": {"name": "bot"}})
    await api("POST", ROLES, role())
    await api("POST", BINDINGS, binding(kind="Role", name="bots") | {"subjects": [
        {"kind": "ServiceAccount", "name": "bot", "namespace": "default"}]})  # fmt: skip
    made = await api("POST", f"{ACCOUNTS}/bot/token", {"spec": {"expirationSeconds": 600}})
    token = made["status"]["token"]
    bot = api.server.bearer(f"Bearer {token}")
    assert bot.name == "system:serviceaccount:default:bot"
    assert bot.groups == ("system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated")
    assert (await as_user(api, bot, "GET", MAPS))[0] == 200
    review = {"spec": {"token": token}}
    status = (await api("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review))["status"]
    assert (status["authenticated"], status["user"]["username"]) == (True, bot.name)
    head, claims, signature = token.split(".")
    for wrong in (f"{head}.{claims}.{'A' * len(signature)}", f"{head}.{claims}", "", "a.b.c", "x" * 10_000):
        assert api.server.bearer(f"Bearer {wrong}") is None
    await api.clock.advance(601)
    assert api.server.bearer(f"Bearer {token}") is None, "it has expired"


async def test_a_token_ends_with_its_account(api):
    await api("POST", ACCOUNTS, {"metadata": {"name": "bot"}})
    token = (await api("POST", f"{ACCOUNTS}/bot/token", {}))["status"]["token"]
    await api("DELETE", f"{ACCOUNTS}/bot")
    assert api.server.bearer(f"Bearer {token}") is None
    await api("POST", ACCOUNTS, {"metadata": {"name": "bot"}})
    assert api.server.bearer(f"Bearer {token}") is None, "another account of that name"


async def test_a_token_ends_with_the_object_that_it_is_bound_to(api):
    await api("POST", ACCOUNTS, {"metadata": {"name": "bot"}})
    await api("POST", SECRETS, {"metadata": {"name": "s"}})
    bound = {"spec": {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": "s"}}}
    token = (await api("POST", f"{ACCOUNTS}/bot/token", bound))["status"]["token"]
    assert api.server.bearer(f"Bearer {token}") is not None
    await api("DELETE", f"{SECRETS}/s")
    assert api.server.bearer(f"Bearer {token}") is None
    assert (await api.refused("POST", f"{ACCOUNTS}/bot/token", bound))[0] == 404


async def test_remembered_decisions_have_a_bound(api):
    roles = api.server._access.roles
    for number in range(_KEPT + 10):
        await as_user(api, User(f"user-{number}", ("system:authenticated",)), "GET", "/version")
    assert len(roles._decided) <= _KEPT


async def test_the_keys_of_tokens_can_be_read_by_others(api):
    account = User("system:serviceaccount:default:bot", ("system:serviceaccounts", "system:authenticated"))
    code, answer = await as_user(api, account, "GET", "/openid/v1/jwks")
    assert (code, answer["keys"][0]["alg"]) == (200, "ES256")
    code, answer = await as_user(api, account, "GET", "/.well-known/openid-configuration")
    assert answer["issuer"] == "https://kubernetes.default.svc"

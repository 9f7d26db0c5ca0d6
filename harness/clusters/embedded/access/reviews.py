"""Reviews: questions about access and identity, which are answered and not stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.access.attributes import Attributes
from harness.clusters.embedded.access.roles import Roles
from harness.clusters.embedded.access.tokens import Tokens
from harness.clusters.embedded.access.users import User
from harness.clusters.embedded.builders import ANY, OBJECT_META, STRING, obj
from harness.clusters.embedded.errors import Cause, bad_request
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.values import Object

__all__ = ["Reviews", "review_types"]

_GROUP = "authorization.k8s.io"
_KINDS = {
    "localsubjectaccessreviews": ("LocalSubjectAccessReview", _GROUP),
    "selfsubjectaccessreviews": ("SelfSubjectAccessReview", _GROUP),
    "selfsubjectrulesreviews": ("SelfSubjectRulesReview", _GROUP),
    "subjectaccessreviews": ("SubjectAccessReview", _GROUP),
    "selfsubjectreviews": ("SelfSubjectReview", "authentication.k8s.io"),
    "tokenreviews": ("TokenReview", "authentication.k8s.io"),
}
_MEMBERS = ("namespace", "verb", "group", "version", "resource", "subresource", "name")


class Reviews:
    """Answers every kind of review."""

    def __init__(self, roles: Roles, tokens: Tokens, now: Callable[[], str]) -> None:
        self._roles, self._tokens, self._now = roles, tokens, now

    def answer(self, served: ResourceType, namespace: str, user: User, body: Any) -> Object:
        """The review with its status. Raises the refusals 400 and 422."""
        if not isinstance(body, dict):
            raise bad_request("the body of a review is a JSON object")
        given: Object = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}  # type: ignore[assignment]
        found = body.get("spec")
        spec: Object = found if isinstance(found, dict) else {}
        review: Object = {"kind": served.kind, "apiVersion": served.api_version, "metadata": {**given}}
        match served.plural:
            case "selfsubjectreviews":
                review["metadata"]["creationTimestamp"] = self._now()
                return {**review, "status": {"userInfo": user.info()}}
            case "tokenreviews":
                return {**review, "spec": spec, "status": self._tokens.review(body)}
            case "selfsubjectrulesreviews":
                return {**review, "spec": {}, "status": self._rules(user, spec)}
        if served.namespaced:
            review["metadata"]["namespace"] = namespace
        _check(spec, of_self=served.plural.startswith("self"), namespace=namespace if served.namespaced else None)
        asked = user if served.plural.startswith("self") else _named(spec)
        decision = self._roles.decide(asked, _wanted(spec))
        status: Object = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        return {**review, "spec": spec, "status": status}

    def _rules(self, user: User, spec: Mapping[str, Any]) -> Object:
        if not spec.get("namespace"):
            raise bad_request("no namespace on request")
        missing: list[str] = []
        rules = [granted.rule for granted in self._roles.granted(user, spec["namespace"], missing)]
        status = {
            "resourceRules": [rule for rule in rules if rule.get("resources")],
            "nonResourceRules": [rule for rule in rules if rule.get("nonResourceURLs")],
            "incomplete": bool(missing),
        }
        return {**status, "evaluationError": ", ".join(missing)} if missing else status


def _named(spec: Mapping[str, Any]) -> User:
    return User(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "")


def _wanted(spec: Mapping[str, Any]) -> Attributes:
    if path := spec.get("nonResourceAttributes"):
        return Attributes(str(path.get("verb", "")), path=str(path.get("path", "")))
    about = spec["resourceAttributes"]
    return Attributes(**{member: str(about.get(member) or "") for member in _MEMBERS})


def _check(spec: Mapping[str, Any], *, of_self: bool, namespace: str | None) -> None:
    """Raise the 422 refusal for a question that is not one."""
    causes: list[Cause] = []
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource and path:
        shown = {"Path": path.get("path", ""), "Verb": path.get("verb", "")}
        field, detail = "spec.nonResourceAttributes", "cannot be specified in combination with resourceAttributes"
        causes.append(errors.invalid_value(field, shown, detail))
    elif not resource and not path:
        detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        causes.append(errors.invalid_value("spec.resourceAttributes", None, detail))
    if not of_self and not spec.get("user") and not spec.get("groups"):
        detail = "at least one of user or group must be specified"
        causes.append(errors.invalid_value("spec.user", "", detail))
    if namespace is not None and resource and (given := resource.get("namespace", "")) != namespace:
        field = "spec.resourceAttributes.namespace"
        causes.append(errors.invalid_value(field, given, "must match metadata.namespace"))
    if causes:
        raise errors.invalid(_GROUP, "", "", causes)


@cache
def review_types() -> tuple[ResourceType, ...]:
    """The types of the reviews, which can only be created."""
    schema = Schema(obj(apiVersion=STRING, kind=STRING, metadata=OBJECT_META, spec=ANY, status=ANY))
    return tuple(
        ResourceType(group, "v1", plural, kind, schema, namespaced=plural.startswith("local"), verbs=("create",))
        for plural, (kind, group) in _KINDS.items()
    )

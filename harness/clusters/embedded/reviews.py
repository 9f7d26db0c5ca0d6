"""Access reviews: questions that are answered, not stored. Whoever got in may do everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.clusters.embedded.builders import ANY, OBJECT_META, STRING, obj
from harness.clusters.embedded.errors import bad_request
from harness.clusters.embedded.schema import Schema
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.values import Object

__all__ = ["REVIEWS", "USER", "review_types"]

USER = {"username": "wasmbed-admin", "groups": ["system:masters", "system:authenticated"]}
"""Who holds the token."""

_ALLOWED = {"allowed": True, "reason": "this server lets everyone who may connect do everything"}
_EVERYTHING = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}


def _access(review: Object) -> Object:
    spec = review.get("spec")
    if not isinstance(spec, dict) or not (spec.get("resourceAttributes") or spec.get("nonResourceAttributes")):
        raise bad_request("spec: exactly one of nonResourceAttributes or resourceAttributes must be specified")
    return {**review, "status": dict(_ALLOWED)}


def _rules(review: Object) -> Object:
    return {**review, "status": dict(_EVERYTHING)}


def _self(review: Object) -> Object:
    return {**review, "status": {"userInfo": dict(USER)}}


REVIEWS: Mapping[str, Callable[[Object], Object]] = {
    "selfsubjectaccessreviews.authorization.k8s.io": _access,
    "localsubjectaccessreviews.authorization.k8s.io": _access,
    "selfsubjectrulesreviews.authorization.k8s.io": _rules,
    "selfsubjectreviews.authentication.k8s.io": _self,
}
"""How each review is answered, by the name of its type."""


def review_types() -> list[ResourceType]:
    """The types of the reviews, which can only be created."""
    schema = Schema(obj(apiVersion=STRING, kind=STRING, metadata=OBJECT_META, spec=ANY, status=ANY))
    named = {
        "selfsubjectaccessreviews": "SelfSubjectAccessReview",
        "localsubjectaccessreviews": "LocalSubjectAccessReview",
        "selfsubjectrulesreviews": "SelfSubjectRulesReview",
        "selfsubjectreviews": "SelfSubjectReview",
    }
    types = []
    for name in REVIEWS:
        plural, _, group = name.partition(".")
        types.append(
            ResourceType(
                group,
                "v1",
                plural,
                named[plural],
                schema,
                namespaced=plural.startswith("local"),
                verbs=("create",),
            )
        )
    return types

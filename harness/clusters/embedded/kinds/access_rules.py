"""The server's demands on roles and their bindings."""

from __future__ import annotations

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.values import Object

__all__ = ["GROUP", "binding", "role"]

GROUP = "rbac.authorization.k8s.io"
_SUBJECTS = ("ServiceAccount", "User", "Group")


def role(new: Object, old: Object | None) -> list[Cause]:
    """Every rule has verbs, and either groups and resources or, in a ClusterRole, URLs."""
    causes: list[Cause] = []
    for index, rule in enumerate(new.get("rules") or ()):
        field = f"rules[{index}]"
        if not rule.get("verbs"):
            causes.append(errors.required(f"{field}.verbs", "verbs must contain at least one value"))
        if urls := rule.get("nonResourceURLs"):
            where = f"{field}.nonResourceURLs"
            if new["kind"] == "Role":
                causes.append(errors.invalid_value(where, urls, "namespaced rules cannot apply to non-resource URLs"))
            if any(rule.get(member) for member in ("apiGroups", "resources", "resourceNames")):
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                causes.append(errors.invalid_value(where, urls, detail))
            continue
        for member, what in (("apiGroups", "api group"), ("resources", "resource")):
            if not rule.get(member):
                detail = f"resource rules must supply at least one {what}"
                causes.append(errors.required(f"{field}.{member}", detail))
    return causes


def binding(new: Object, old: Object | None) -> list[Cause]:
    """The role's group and those of users and groups follow from their kinds; the role stays."""
    reference = {"apiGroup": GROUP, **(new.get("roleRef") or {})}
    reference["apiGroup"] = reference["apiGroup"] or GROUP
    new["roleRef"] = reference
    causes: list[Cause] = []
    if reference["apiGroup"] != GROUP:
        causes.append(errors.unsupported_value("roleRef.apiGroup", reference["apiGroup"], (GROUP,)))
    kinds = ("Role", "ClusterRole") if new["kind"] == "RoleBinding" else ("ClusterRole",)
    if reference.get("kind", "") not in kinds:
        causes.append(errors.unsupported_value("roleRef.kind", reference.get("kind", ""), kinds))
    if not reference.get("name"):
        causes.append(errors.required("roleRef.name"))
    if old is not None and old["roleRef"] != reference:
        shown = {part.replace("apiGroup", "APIGroup").replace("kind", "Kind").replace("name", "Name"): reference[part]
                 for part in ("apiGroup", "kind", "name")}  # fmt: skip
        causes.append(errors.invalid_value("roleRef", shown, "cannot change roleRef"))
    if new.get("subjects"):
        new["subjects"] = [_subject(one) for one in new["subjects"]]
        for index, subject in enumerate(new["subjects"]):
            causes += _subject_causes(subject, f"subjects[{index}]", in_namespace=new["kind"] == "RoleBinding")
    return causes


def _subject(subject: Object) -> Object:
    if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
        return {**subject, "apiGroup": GROUP}
    return subject


def _subject_causes(subject: Object, field: str, *, in_namespace: bool) -> list[Cause]:
    causes: list[Cause] = []
    kind, group = subject.get("kind", ""), subject.get("apiGroup", "")
    if not subject.get("name"):
        causes.append(errors.required(f"{field}.name"))
    if kind not in _SUBJECTS:
        causes.append(errors.unsupported_value(f"{field}.kind", kind, _SUBJECTS))
    elif kind == "ServiceAccount":
        if group:
            causes.append(errors.unsupported_value(f"{field}.apiGroup", group, ("",)))
        if not subject.get("namespace") and not in_namespace:
            causes.append(errors.required(f"{field}.namespace"))
    elif group != GROUP:
        causes.append(errors.unsupported_value(f"{field}.apiGroup", group, (GROUP,)))
    return causes

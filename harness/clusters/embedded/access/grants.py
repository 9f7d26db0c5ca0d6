"""The RBAC privilege escalation check: a user grants only rights that the user has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from harness.clusters.embedded import errors
from harness.clusters.embedded.access.attributes import Attributes
from harness.clusters.embedded.access.roles import Roles
from harness.clusters.embedded.access.users import User
from harness.clusters.embedded.kinds.access_rules import GROUP
from harness.clusters.embedded.values import Object

__all__ = ["check_grant"]

_RULES_LIMIT = 10_000
"""Parts that the rules of one role may be taken apart into."""
_SHOWN = (("apiGroups", "APIGroups"), ("resources", "Resources"), ("resourceNames", "ResourceNames"),
          ("nonResourceURLs", "NonResourceURLs"), ("verbs", "Verbs"))  # fmt: skip


def check_grant(roles: Roles, user: User, plural: str, new: Object) -> None:
    """Raise the refusal for a role or binding that gives more than its maker has."""
    if user.is_master:
        return
    meta = new["metadata"]
    namespace, name = meta.get("namespace", ""), meta.get("name", "")
    binding = plural.endswith("bindings")
    if binding:
        reference = new["roleRef"]
        kind = "clusterroles" if reference["kind"] == "ClusterRole" else "roles"
        allowed = Attributes("bind", GROUP, "v1", kind, "", namespace, reference["name"])
        rules = roles.rules_of(reference, namespace)
        if rules is None and not roles.decide(user, allowed).allowed:
            raise errors.not_found(GROUP, plural, reference["name"])
    else:
        allowed = Attributes("escalate", GROUP, "v1", plural, "", namespace, name)
        rules = new.get("rules") or []
    if roles.decide(user, allowed).allowed:
        return
    own = [granted.rule for granted in roles.granted(user, namespace, [])]
    lacking = [part for part in _parts(rules or []) if not any(_covers(rule, part) for rule in own)]
    if lacking:
        groups = " ".join(f'"{group}"' for group in user.groups)
        shown = "\n".join(map(_go, _compact(lacking)))
        why = f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n'
        raise errors.forbidden(GROUP, plural, name, why + shown)


def _parts(rules: list[Object]) -> Iterator[Object]:
    """Rules of one verb on one resource each."""
    count = 0
    for rule in rules:
        places = [
            {"apiGroups": [group], "resources": [resource]}
            for group, resource in product(rule.get("apiGroups") or (), rule.get("resources") or ())
        ]
        places += [{"nonResourceURLs": [url]} for url in rule.get("nonResourceURLs") or ()]
        names: list[Object] = [{"resourceNames": [one]} for one in rule.get("resourceNames") or ()] or [{}]
        for place, name, verb in product(places, names, rule.get("verbs") or ()):
            count += 1
            if count > _RULES_LIMIT:
                raise errors.bad_request("the role's rules are too many to be checked")
            yield {**place, **name, "verbs": [verb]}


def _covers(rule: Object, part: Object) -> bool:
    if not _all_in(part["verbs"], rule.get("verbs")):
        return False
    if "nonResourceURLs" in part:
        url = part["nonResourceURLs"][0]
        return any(own in (url, "*") or (own.endswith("*") and url.startswith(own[:-1]))
                   for own in rule.get("nonResourceURLs") or ())  # fmt: skip
    names = rule.get("resourceNames") or ()
    return (
        _all_in(part["apiGroups"], rule.get("apiGroups"))
        and _all_in(part["resources"], rule.get("resources"))
        and (not names or ("resourceNames" in part and part["resourceNames"][0] in names))
    )


def _all_in(wanted: list[str], own: list[str] | None) -> bool:
    return own is not None and ("*" in own or set(wanted) <= set(own))


def _compact(parts: list[Object]) -> list[Object]:
    """Parts of the same place as one, with all their verbs, in order."""
    merged: dict[tuple[tuple[str, str], ...], Object] = {}
    for part in parts:
        place = tuple((name, values[0]) for name, values in part.items() if name != "verbs")
        known = merged.setdefault(place, {**part, "verbs": []})
        known["verbs"] += part["verbs"]
    return [merged[place] for place in sorted(merged)]


def _go(rule: Object) -> str:
    """A rule as Kubernetes' message shows it."""
    shown = (
        f"{label}:[{' '.join(chr(34) + value + chr(34) for value in rule[name])}]"
        for name, label in _SHOWN
        if name in rule
    )
    return "{" + ", ".join(shown) + "}"

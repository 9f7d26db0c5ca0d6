"""Role-based access control: what the stored roles and bindings allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.clusters.embedded.access.attributes import Attributes
from harness.clusters.embedded.access.users import User
from harness.clusters.embedded.kinds.access_rules import GROUP
from harness.clusters.embedded.selectors import label_selector_of
from harness.clusters.embedded.state import State
from harness.clusters.embedded.values import Object

__all__ = ["Decision", "Granted", "Roles", "covers_path", "covers_resource"]

_COLLECTIONS = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")
_KEPT = 4096
"""Decisions that are remembered; then all are forgotten."""
_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something is allowed, and why, in Kubernetes' words."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Granted:
    """A rule that holds for a user, and the words for where it comes from."""

    rule: Object
    source: str


class Roles:
    """Decisions by the roles and bindings in a store; remembered until one of those changes."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._decided: dict[tuple[str, tuple[str, ...], Attributes], Decision] = {}
        self.follow()

    def follow(self) -> None:
        """Follow the store's roles and bindings, which may be another's than before."""
        self._decided.clear()
        for plural in _COLLECTIONS:
            self._state.store.collection(f"{plural}.{GROUP}").listeners.append(lambda _: self._decided.clear())

    def decide(self, user: User, wanted: Attributes) -> Decision:
        """Whether a user may do something."""
        if user.is_master:
            return Decision(True)
        key = (user.name, user.groups, wanted)
        decision = self._decided.get(key)
        if decision is None:
            if len(self._decided) >= _KEPT:
                self._decided.clear()
            decision = self._decided[key] = self._decide(user, wanted)
        return decision

    def _decide(self, user: User, wanted: Attributes) -> Decision:
        missing: list[str] = []
        for granted in self.granted(user, wanted.namespace, missing):
            if covers_path(granted.rule, wanted) if wanted.path else covers_resource(granted.rule, wanted):
                return Decision(True, f"RBAC: allowed by {granted.source}")
        faults = missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]"
        return Decision(False, f"RBAC: {faults}" if missing else "")

    def granted(self, user: User, namespace: str, missing: list[str]) -> Iterator[Granted]:
        """The rules that hold for a user in a namespace, or the whole cluster; roles that are not there go to
        ``missing``."""
        for binding in self._objects("clusterrolebindings"):
            if (subject := _subject(binding, user, "")) is not None:
                source = f'ClusterRoleBinding "{binding["metadata"]["name"]}" of {_role(binding)} to {subject}'
                yield from self._rules(binding["roleRef"], "", source, missing)
        if not namespace:
            return
        for binding in self._objects("rolebindings", namespace):
            if (subject := _subject(binding, user, namespace)) is not None:
                name = f'"{binding["metadata"]["name"]}/{namespace}"'
                source = f"RoleBinding {name} of {_role(binding)} to {subject}"
                yield from self._rules(binding["roleRef"], namespace, source, missing)

    def _rules(self, reference: Object, namespace: str, source: str, missing: list[str]) -> Iterator[Granted]:
        rules = self.rules_of(reference, namespace)
        if rules is None:
            missing.append(f'{reference["kind"].lower()}.{GROUP} "{reference["name"]}" not found')
        for rule in rules or ():
            yield Granted(rule, source)

    def rules_of(self, reference: Object, namespace: str) -> list[Object] | None:
        """The rules of a role, with those of the roles that it aggregates; None where it is not there."""
        cluster = reference["kind"] == "ClusterRole"
        collection = self._state.store.collection(f"{'clusterroles' if cluster else 'roles'}.{GROUP}")
        entry = collection.get(("" if cluster else namespace, reference["name"]))
        if entry is None:
            return None
        return self._aggregated(entry.object, {reference["name"]})

    def _aggregated(self, role: Object, seen: set[str]) -> list[Object]:
        rules = list(role.get("rules") or ())
        for selector in (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ():
            chosen = label_selector_of(selector)
            for other in self._objects("clusterroles"):
                name = other["metadata"]["name"]
                if name not in seen and chosen(other["metadata"].get("labels") or {}):
                    seen.add(name)
                    rules += self._aggregated(other, seen)
        return rules

    def _objects(self, plural: str, namespace: str = "") -> list[Object]:
        found = self._state.store.collection(f"{plural}.{GROUP}").entries(namespace)
        return [entry.object for _, entry in found]


def _role(binding: Object) -> str:
    return f'{binding["roleRef"]["kind"]} "{binding["roleRef"]["name"]}"'


def _subject(binding: Object, user: User, namespace: str) -> str | None:
    """The subject of a binding that a user is, in words; None if it is none of them."""
    for subject in binding.get("subjects") or ():
        kind, name = subject["kind"], subject["name"]
        if kind == "User" and user.name == name:
            return f'User "{name}"'
        if kind == "Group" and name in user.groups:
            return f'Group "{name}"'
        if kind == "ServiceAccount":
            place = subject.get("namespace") or namespace
            if user.name == f"{_ACCOUNT}{place}:{name}":
                return f'ServiceAccount "{name}/{place}"'
    return None


def _has(values: Any, wanted: str) -> bool:
    return bool(values) and ("*" in values or wanted in values)


def covers_resource(rule: Object, wanted: Attributes) -> bool:
    """Whether a rule allows a verb on a resource."""
    if not (_has(rule.get("verbs"), wanted.verb) and _has(rule.get("apiGroups"), wanted.group)):
        return False
    resources = rule.get("resources") or ()
    if not _has(resources, wanted.called) and not (wanted.subresource and f"*/{wanted.subresource}" in resources):
        return False
    names = rule.get("resourceNames")
    return not names or wanted.name in names


def covers_path(rule: Object, wanted: Attributes) -> bool:
    """Whether a rule allows a verb on a path; ``*`` at the end of a rule's path stands for any end."""
    if not _has(rule.get("verbs"), wanted.verb):
        return False
    return any(
        path == wanted.path or (path.endswith("*") and wanted.path.startswith(path[:-1]))
        for path in rule.get("nonResourceURLs") or ()
    )

"""The server's demands on configurations of webhooks. They are stored; no webhook is called."""

from __future__ import annotations

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.problems import subdomain_problems
from harness.clusters.embedded.values import Object

__all__ = ["webhooks"]

_VERSIONS = ("v1", "v1beta1")
_LONGEST = 30
"""Seconds."""
_ALL = {"apiGroups": "API groups", "apiVersions": "API versions"}
"""Members of a rule that name all or some, and what they name."""


def webhooks(new: Object, old: Object | None) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, hook in enumerate(new.get("webhooks") or ()):
        here, name = f"webhooks[{index}]", hook.get("name", "")
        if name in names:
            causes.append(errors.duplicate(f"{here}.name", name))
        names.add(name)
        causes += _hook_causes(hook, here)
    return causes


def _hook_causes(hook: Object, field: str) -> list[Cause]:
    causes: list[Cause] = []
    name, versions, seconds = hook.get("name", ""), hook.get("admissionReviewVersions"), hook.get("timeoutSeconds", 10)
    causes += [
        errors.invalid_value(f"{field}.name", name, problem) for problem in (subdomain_problems(name) if name else ())
    ]
    if not causes and name and name.count(".") < 2:
        detail = "should be a domain with at least three segments separated by dots"
        causes.append(errors.invalid_value(f"{field}.name", name, detail))
    if not hook.get("sideEffects"):
        causes.append(errors.required(f"{field}.sideEffects", "must specify one of None, NoneOnDryRun"))
    if versions == []:
        where = f"{field}.admissionReviewVersions"
        causes.append(errors.required(where, f"must specify one of {', '.join(_VERSIONS)}"))
    elif versions and not set(versions) & set(_VERSIONS):
        detail = f"must include at least one of {', '.join(_VERSIONS)}"
        causes.append(errors.invalid_value(f"{field}.admissionReviewVersions", versions, detail))
    if not 0 < (seconds or 0) <= _LONGEST:
        detail = f"the timeout value must be between 1 and {_LONGEST} seconds"
        causes.append(errors.invalid_value(f"{field}.timeoutSeconds", seconds, detail))
    causes += _client_causes(hook.get("clientConfig") or {}, f"{field}.clientConfig")
    for index, rule in enumerate(hook.get("rules") or ()):
        causes += [
            errors.invalid_value(
                f"{field}.rules[{index}].{member}",
                rule[member],
                f"if '*' is present, must not specify other {called}",
            )
            for member, called in _ALL.items()
            if len(rule.get(member) or ()) > 1 and "*" in rule[member]
        ]
    return causes


def _client_causes(client: Object, field: str) -> list[Cause]:
    url, service = client.get("url"), client.get("service")
    if (url is None) is (service is None):
        return [errors.required(field, "exactly one of url or service is required")]
    if url is not None and not url.startswith("https://"):
        detail = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
        scheme, colon, _ = url.partition("://")
        return [errors.invalid_value(f"{field}.url", scheme if colon else "", detail)]
    return []

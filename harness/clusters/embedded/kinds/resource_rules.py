"""Amounts of resources: of containers, quotas, ranges of limits, claims and volumes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.kinds.quantities import amount
from harness.clusters.embedded.metadata import qualified_problem
from harness.clusters.embedded.values import Object, lookup

__all__ = ["container_resources", "limits", "quota", "service_class"]

_OF_CONTAINERS = ("cpu", "memory", "ephemeral-storage")
_COUNTED = ("pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps",
            "services.nodeports", "services.loadbalancers", "persistentvolumeclaims")  # fmt: skip
_OF_QUOTAS = (*_OF_CONTAINERS, "storage", "requests.cpu", "requests.memory", "requests.storage", "limits.cpu",
              "requests.ephemeral-storage", "limits.memory", "limits.ephemeral-storage", *_COUNTED)  # fmt: skip
_NOT_STANDARD = "must be a standard resource type or fully qualified"
_NOT_NEGATIVE = "must be greater than or equal to 0"
_SCOPES = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity",
           "VolumeAttributesClass")  # fmt: skip
_OPPOSITE = ({"Terminating", "NotTerminating"}, {"BestEffort", "NotBestEffort"})
_OF_PODS = ("pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
_LIMIT_TYPES = ("Container", "Pod", "PersistentVolumeClaim")


def container_resources(resources: Object, field: str) -> list[Cause]:
    """The faults of a container's requests and limits."""
    causes: list[Cause] = []
    limits_, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for member, amounts in (("limits", limits_), ("requests", requests)):
        for name, value in amounts.items():
            here = f"{field}.{member}[{name}]"
            causes += _name_causes(name, here, _OF_CONTAINERS, "must be a standard resource for containers")
            causes += _amount_causes(name, value, here)
    for name, value in requests.items():
        extended = _is_extended(name)
        limit = limits_.get(name)
        if limit is None and extended:
            detail = "Limit must be set for non overcommitable resources"
            causes.append(errors.required(f"{field}.limits", detail))
        elif limit is not None and extended and amount(value) != amount(limit):
            detail = f"must be equal to {name} limit of {limit}"
            causes.append(errors.invalid_value(f"{field}.requests", value, detail))
        elif limit is not None and not extended and amount(value) > amount(limit):
            detail = f"must be less than or equal to {name} limit of {limit}"
            causes.append(errors.invalid_value(f"{field}.requests", value, detail))
    return causes


def _name_causes(name: str, field: str, standard: tuple[str, ...], detail: str) -> list[Cause]:
    causes: list[Cause] = []
    known = name in standard or name.startswith("hugepages-")
    if problem := qualified_problem(name):
        causes.append(errors.invalid_value(field, name, problem))
    elif "/" not in name and not known and name not in _OF_QUOTAS:
        causes.append(errors.invalid_value(field, name, _NOT_STANDARD))
    if "/" not in name and not known:
        causes.append(errors.invalid_value(field, name, detail))
    return causes


def _amount_causes(name: str, value: str, field: str) -> list[Cause]:
    number = amount(value)
    if number < 0:
        return [errors.invalid_value(field, value, _NOT_NEGATIVE)]
    whole = _is_extended(name) or name in _COUNTED or name.startswith("count/")
    if whole and number % 1:
        return [errors.invalid_value(field, value, "must be an integer")]
    return []


def _is_extended(name: str) -> bool:
    """Whether a resource is a device of which a container gets whole ones."""
    domain, slash, _ = name.partition("/")
    return bool(slash) and domain != "count" and not domain.endswith("kubernetes.io")


def service_class(containers: list[Object]) -> str:
    """The quality of service of a pod with these containers."""
    asked: dict[str, Decimal] = {}
    limited: dict[str, Decimal] = {}
    everywhere = True
    for one in containers:
        resources = one.get("resources") or {}
        for member, totals in (("requests", asked), ("limits", limited)):
            for name, value in _computed(resources.get(member)).items():
                totals[name] = totals.get(name, Decimal(0)) + value
        everywhere &= len(_computed(resources.get("limits"))) == 2
    if not asked and not limited:
        return "BestEffort"
    return "Guaranteed" if everywhere and asked == limited else "Burstable"


def _computed(amounts: Mapping[str, str] | None) -> dict[str, Decimal]:
    found = {name: amount(value) for name, value in (amounts or {}).items() if name in ("cpu", "memory")}
    return {name: value for name, value in found.items() if value > 0}


def quota(new: Object, old: Object | None) -> list[Cause]:
    """A ResourceQuota: its resources and its scopes."""
    causes: list[Cause] = []
    hard = lookup(new, ("spec", "hard")) or {}
    for name, value in hard.items():
        here = f"spec.hard[{name}]"
        causes += _name_causes(name, here, _OF_QUOTAS, "must be a standard resource for quota")
        causes += _amount_causes(name, value, here)
    scopes = lookup(new, ("spec", "scopes")) or []
    if scopes:
        causes += _scope_causes(scopes, hard)
    return causes


def _scope_causes(scopes: list[str], hard: Object) -> list[Cause]:
    causes = []
    for scope in scopes:
        if scope not in _SCOPES:
            causes.append(errors.invalid_value("spec.scopes", scopes, "unsupported scope"))
        elif any(name not in _OF_PODS for name in hard):
            causes.append(errors.invalid_value("spec.scopes", scopes, "unsupported scope applied to resource"))
    if any(pair <= set(scopes) for pair in _OPPOSITE):
        causes.append(errors.invalid_value("spec.scopes", scopes, "conflicting scopes"))
    return causes


def limits(new: Object, old: Object | None) -> list[Cause]:
    """A LimitRange. A container's default limit is its default request too."""
    causes: list[Cause] = []
    for index, item in enumerate(lookup(new, ("spec", "limits")) or ()):
        if item.get("type") == "Container":
            known = {**(item.get("max") or {}), **(item.get("default") or {})}
            requested = {**(item.get("min") or {}), **known, **(item.get("defaultRequest") or {})}
            if known:
                item["default"] = known
            if requested:
                item["defaultRequest"] = requested
        causes += _limit_causes(item, f"spec.limits[{index}]")
    return causes


def _limit_causes(item: Object, field: str) -> list[Cause]:
    causes: list[Cause] = []
    kind = item.get("type", "")
    if not kind:
        problems = ("name part must be non-empty", qualified_problem("") or "")
        causes += [errors.invalid_value(f"{field}.type", "", problem) for problem in problems]
    elif kind not in _LIMIT_TYPES and "/" not in kind:
        causes.append(errors.invalid_value(f"{field}.type", kind, "must be a standard limit type or fully qualified"))
    if kind == "Pod":
        causes += [
            errors.forbidden_field(f"{field}.{member}", "may not be specified when `type` is 'Pod'")
            for member in ("default", "defaultRequest")
            if item.get(member)
        ]
    if kind == "PersistentVolumeClaim" and not any("storage" in (item.get(member) or {}) for member in ("min", "max")):
        detail = "either minimum or maximum storage value is required, but neither was provided"
        causes.append(errors.required(f"{field}.limits", detail))
    found = {member: item.get(member) or {} for member in ("min", "max", "default", "defaultRequest")}
    for name in sorted({name for amounts in found.values() for name in amounts}):
        causes += _order_causes(name, {member: amounts.get(name) for member, amounts in found.items()}, field)
    for name, value in (item.get("maxLimitRequestRatio") or {}).items():
        if amount(value) < 1:
            here = f"{field}.maxLimitRequestRatio[{name}]"
            causes.append(errors.invalid_value(here, value, f"ratio {value} is less than 1"))
    return causes


def _order_causes(name: str, values: dict[str, str | None], field: str) -> list[Cause]:
    """The least, the default request, the default and the most come in this order."""
    called = {"defaultRequest": "default request", "default": "default"}
    causes: list[Cause] = []

    def ordered(low: str, high: str, where: str, shown: str, text: str) -> None:
        less, more = values[low], values[high]
        if less is not None and more is not None and amount(less) > amount(more):
            detail = text.format(less=less, more=more)
            causes.append(errors.invalid_value(f"{field}.{where}[{name}]", values[shown], detail))

    ordered("min", "max", "min", "min", "min value {less} is greater than max value {more}")
    for member, words in called.items():
        where = "defaultRequest" if member == "defaultRequest" else "default"
        text = f"min value {{less}} is greater than {words} value {{more}}"
        ordered("min", member, where, member if member == "defaultRequest" else "min", text)
    ordered("defaultRequest", "max", "defaultRequest", "defaultRequest",
            "default request value {less} is greater than max value {more}")  # fmt: skip
    ordered("default", "max", "default", "max", "default value {less} is greater than max value {more}")
    if not any(cause.message.endswith(f"greater than max value {values['max']}") for cause in causes):
        ordered("defaultRequest", "default", "defaultRequest", "defaultRequest",
                "default request value {less} is greater than default limit value {more}")  # fmt: skip
    return causes

"""The rules of a CustomResourceDefinition outside its schemas: names, versions, conversion, subresources, columns.

Kubernetes keeps what all versions say alike at the definition itself, and names its fields there: ``spec.validation``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from harness.clusters.embedded import errors
from harness.clusters.embedded.budget import Budget
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.metadata import dns_1035_problem, subdomain_problem
from harness.clusters.embedded.path_checks import column_causes, scale_causes, selectable_causes
from harness.clusters.embedded.schema_checks import check_schema
from harness.clusters.embedded.values import Object, same

__all__ = ["definition_causes"]

_PROTECTED = ("k8s.io", "kubernetes.io")
_APPROVAL = "api-approved.kubernetes.io"
_WARNING_LIMIT = 256
_GO_VERSION: Object = {
    "Deprecated": False, "DeprecationWarning": None, "Schema": None, "Subresources": None,
    "AdditionalPrinterColumns": None, "SelectableFields": None,
}  # fmt: skip


def definition_causes(definition: Object, budget: Budget, warnings: list[str], *, is_new: bool) -> list[Cause]:
    """All faults of a definition with its defaults; unknown formats go to ``warnings``. Raises :class:`OutOfBudget`."""
    spec, metadata = definition["spec"], definition["metadata"]
    causes: list[Cause] = []
    _check_group(spec["group"], metadata, causes)
    if not spec["scope"]:
        causes.append(errors.required("spec.scope"))
    elif spec["scope"] not in ("Cluster", "Namespaced"):
        causes.append(errors.unsupported_value("spec.scope", spec["scope"], ("Cluster", "Namespaced")))
    _check_names(spec["names"], causes)
    wanted = f"{spec['names']['plural']}.{spec['group']}"
    if is_new and (name := metadata.get("name", "")) and name != wanted:
        causes.append(errors.invalid_value("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        causes.append(errors.invalid_value("spec.preserveUnknownFields", True, detail))
    _check_versions(spec["versions"], causes, is_new=is_new)
    _check_conversion(spec["conversion"], causes)
    _check_contents(spec["versions"] or [], causes, budget, warnings)
    return causes


def _check_group(group: str, metadata: Object, causes: list[Cause]) -> None:
    if not group:
        causes.append(errors.required("spec.group"))
    elif problem := subdomain_problem(group):
        causes.append(errors.invalid_value("spec.group", group, problem))
    elif "." not in group:
        causes.append(errors.invalid_value("spec.group", group, "should be a domain with at least one dot"))
    protected = group in _PROTECTED or group.endswith(tuple(f".{name}" for name in _PROTECTED))
    if protected and not (metadata.get("annotations") or {}).get(_APPROVAL):
        detail = f'protected groups must have approval annotation "{_APPROVAL}", see '
        detail += "https://github.com/kubernetes/enhancements/pull/1111"
        causes.append(errors.required(f"metadata.annotations[{_APPROVAL}]", detail))


def _check_names(names: Object, causes: list[Cause]) -> None:
    for member in ("plural", "singular", "kind", "listKind"):
        value, where = names[member], f"spec.names.{member}"
        mixed = member in ("kind", "listKind")
        if not value:
            causes.append(errors.required(where))
        elif problem := dns_1035_problem(value.lower() if mixed else value):
            detail = f"may have mixed case, but should otherwise match: {problem}" if mixed else problem
            causes.append(errors.invalid_value(where, value, detail))
    if names["kind"] and names["kind"] == names["listKind"]:
        detail = "kind and listKind may not be the same"
        causes.append(errors.invalid_value("spec.names.listKind", names["listKind"], detail))
    causes.extend(
        errors.invalid_value(f"spec.names.{member}[{index}]", value, problem)
        for member in ("shortNames", "categories")
        for index, value in enumerate(names.get(member) or ())
        if (problem := dns_1035_problem(value))
    )


def _check_versions(versions: list[Object] | None, causes: list[Cause], *, is_new: bool) -> None:
    def shown() -> Any:
        if versions is None:
            return None
        return [
            {"Name": one["name"], "Served": one["served"], "Storage": one["storage"], **_GO_VERSION} for one in versions
        ]

    known = versions or []
    stored = sum(version["storage"] for version in known)
    if stored != 1:
        detail = "must have exactly one version marked as storage version"
        causes.append(errors.invalid_value("spec.versions", shown(), detail))
    if stored > 1 and is_new:
        names = [version["name"] for version in known if version["storage"]]
        detail = f"must have the storage version {names[-1]}"
        causes.append(errors.invalid_value("status.storedVersions", names[:1], detail))
    if not stored and is_new:
        causes.append(errors.invalid_value("status.storedVersions", None, "must have at least one stored version"))
    if len({version["name"] for version in known}) != len(known):
        causes.append(errors.invalid_value("spec.versions", shown(), "must contain unique version names"))
    for index, version in enumerate(known):
        if problem := dns_1035_problem(version["name"]):
            if not index:
                causes.append(errors.invalid_value("spec.version", version["name"], problem))
            causes.append(errors.invalid_value(f"spec.versions[{index}].name", version["name"], problem))
        _check_deprecation(version, f"spec.versions[{index}].deprecationWarning", causes)


def _check_deprecation(version: Object, where: str, causes: list[Cause]) -> None:
    text = version.get("deprecationWarning")
    if text is None:
        return
    if not version.get("deprecated"):
        causes.append(errors.invalid_value(where, text, "can only be set for deprecated versions"))
    if not text:
        causes.append(errors.invalid_value(where, text, "must not be an empty string"))
    if len(text.encode()) > _WARNING_LIMIT:
        causes.append(errors.invalid_value(where, text, f"must be <= {_WARNING_LIMIT} characters long"))
    for index, character in enumerate(text):
        if not character.isprintable():
            detail = "must only contain printable UTF-8 characters; non-printable character found at index"
            causes.append(errors.invalid_value(where, text, f"{detail} {index}"))
            break


def _check_conversion(conversion: Object, causes: list[Cause]) -> None:
    strategy, webhook = conversion["strategy"], conversion.get("webhook") or {}
    client, reviews = webhook.get("clientConfig"), webhook.get("conversionReviewVersions")
    if strategy not in ("None", "Webhook"):
        causes.append(errors.unsupported_value("spec.conversion.strategy", strategy, ("None", "Webhook")))
    if strategy != "Webhook":
        causes.extend(
            errors.forbidden_field(f"spec.conversion.{field}", "should not be set when strategy is not set to Webhook")
            for field, value in (("webhookClientConfig", client), ("conversionReviewVersions", reviews))
            if value
        )
        return
    where = "spec.conversion.webhookClientConfig"
    if client is None:
        causes.append(errors.required(where, "required when strategy is set to Webhook"))
    elif (client.get("url") is None) == (client.get("service") is None):
        causes.append(errors.required(where, "exactly one of url or service is required"))
    elif client.get("url") is not None and (scheme := urlsplit(client["url"]).scheme) != "https":
        detail = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
        causes.append(errors.invalid_value(f"{where}.url", scheme, detail))
    if not reviews:
        causes.append(errors.required("spec.conversion.conversionReviewVersions"))


def _check_contents(versions: Sequence[Object], causes: list[Cause], budget: Budget, warnings: list[str]) -> None:
    """Check what a version has; what all have alike, once."""
    for member, own, shared in (
        ("schema", "schema.openAPIV3Schema", "validation.openAPIV3Schema"),
        ("subresources", "subresources", "subresources"),
        ("additionalPrinterColumns", "additionalPrinterColumns", "additionalPrinterColumns"),
        ("selectableFields", "selectableFields", "selectableFields"),
    ):
        alike = all(same(version.get(member), versions[0].get(member)) for version in versions)
        for index, version in enumerate(versions):
            where = f"spec.{shared}" if alike else f"spec.versions[{index}].{own}"
            if member == "schema":
                schema = (version.get("schema") or {}).get("openAPIV3Schema")
                if schema is None:
                    field = f"spec.versions[{index}].schema.openAPIV3Schema"
                    causes.append(errors.required(field, "" if alike else "schemas are required"))
                elif not alike or not index:
                    causes.extend(check_schema(schema, where, budget, warnings))
            elif alike and index:
                break
            elif member == "subresources":
                causes.extend(scale_causes(version.get(member) or {}, where))
            elif member == "additionalPrinterColumns":
                causes.extend(column_causes(version.get(member) or [], where))
            else:
                schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
                causes.extend(selectable_causes(version.get(member) or [], schema, where))

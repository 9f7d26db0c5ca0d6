"""Checks that a cluster may be used, before anything is created in it."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from harness.core.errors import RigError, UsageError
from harness.core.logs import get_log
from harness.wasmbed.resources.answers import CLUSTER_SCOPED
from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.kinds import (
    APPLICATION,
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    DEVICE,
    GATEWAY,
    LEASE,
    NAMESPACE,
    SECRET,
    SELF_SUBJECT_ACCESS_REVIEW,
    SELF_SUBJECT_RULES_REVIEW,
)
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

__all__ = ["INSTALLING", "NEWEST", "Right", "check_context", "check_rights", "check_version", "lacking"]

log = get_log(__name__)

OLDEST = (1, 31)
"""The first Kubernetes in which ``selectableFields`` of custom resources are served."""
NEWEST = (1, 36)
"""The Kubernetes of the kind ``apiserver``, on which all scenarios run."""
LOCAL = {"localhost", "kubernetes.docker.internal", "host.docker.internal"}
_ALL = ("create", "delete", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Right:
    """Verbs on a resource type, or on a subresource of it."""

    resource: Resource
    verbs: tuple[str, ...]
    subresource: str = ""

    @property
    def called(self) -> str:
        """As roles name it."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


_NEEDED = (
    *(Right(resource, _ALL) for resource in (DEVICE, APPLICATION, GATEWAY, SECRET, CONFIG_MAP, LEASE)),
    *(Right(resource, ("patch",), "status") for resource in (DEVICE, APPLICATION, GATEWAY)),
    Right(NAMESPACE, ("create", "delete", "list", "watch")),
    Right(CUSTOM_RESOURCE_DEFINITION, ("get", "watch")),
)
"""The rights that harness and platform need."""
INSTALLING = Right(CUSTOM_RESOURCE_DEFINITION, ("create", "get", "list", "patch", "watch"))
"""The rights that are needed in a cluster without the resource types, or with others."""


def check_context(kubeconfig: Path, host: str, allowed: str | None) -> None:
    """Raise UsageError for a cluster on another machine whose context was not allowed by name: others may use it."""
    name = _context(kubeconfig)
    if _is_local(host):
        return
    if allowed is None:
        raise UsageError(
            f"context {name!r} is the cluster {host}, which others may be using",
            where=str(kubeconfig),
            do=f"to use it anyway: --allow-cluster={name}; or name another kubeconfig",
        )
    if allowed != name:
        raise UsageError(
            f"the current context is {name!r}, allowed is {allowed!r}",
            where="--allow-cluster",
            do=f"kubectl config use-context {allowed}, or allow {name}",
        )


def _context(kubeconfig: Path) -> str:
    try:
        return str(yaml.safe_load(kubeconfig.read_text("utf-8")).get("current-context") or "")
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        return ""  # connecting reports the error


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in LOCAL
    return address.is_loopback or address.is_unspecified


async def check_version(api: KubernetesApi, where: str) -> None:
    """Raise RigError for a Kubernetes that is too old. The log, which a failed test shows, names one that is
    newer than all that scenarios ran on."""
    version = await api.version()
    found = tuple(int("".join(filter(str.isdigit, str(version.get(part) or "0"))) or 0) for part in ("major", "minor"))
    if found < OLDEST:
        raise RigError(
            f"the cluster is Kubernetes {version.get('gitVersion')}, which does not serve selectable fields of custom "
            "resources",
            where=where,
            do=f"use Kubernetes {'.'.join(map(str, OLDEST))} or newer, or --cluster=apiserver",
        )
    if found > NEWEST:
        log.warning(
            "%s: the cluster is Kubernetes %s; the newest that this harness was tested on is %s. If a test fails: "
            "does it pass with --cluster=apiserver?",
            where,
            version.get("gitVersion"),
            ".".join(map(str, NEWEST)),
        )


async def check_rights(api: KubernetesApi, where: str, rights: Iterable[Right] = _NEEDED) -> None:
    """Raise RigError naming every one of these ``rights`` that is missing, and the rules that give them."""
    review: Object = {"spec": {"namespace": api.namespace}}
    status = (await api.create(SELF_SUBJECT_RULES_REVIEW, review))["status"]
    rules: list[Any] = status.get("resourceRules") or []
    missing = list(_missing(rights, rules))
    if status.get("incomplete"):  # another authorizer, which cannot list what it allows, may allow the others
        missing = [right async for right in _refused(api, missing)]
    if missing:
        names = ", ".join(f"{'/'.join(right.verbs)} {right.called}" for right in missing)
        raise lacking(f"these credentials may not {names}", where, *missing)


def lacking(what: str, where: str, *rights: Right) -> RigError:
    """The error for rights that are missing; it advises the rules that give them."""
    lines = "".join(
        f'\n    - apiGroups: ["{right.resource.group}"]\n      resources: ["{right.called}"]'
        f"\n      verbs: [{', '.join(right.verbs)}]"
        for right in rights
    )
    return RigError(what, where=where, do=f"give them a ClusterRole with the rules{lines}")


def _missing(rights: Iterable[Right], rules: list[Any]) -> Iterator[Right]:
    for right in rights:
        every = f"*/{right.subresource}" if right.subresource else "*"
        allowed = {
            verb
            for rule in rules
            if not rule.get("resourceNames")
            and {"*", right.resource.group} & set(rule.get("apiGroups") or ())
            and {"*", every, right.called} & set(rule.get("resources") or ())
            for verb in rule["verbs"]
        }
        if lacking := tuple(verb for verb in right.verbs if not {"*", verb} & allowed):
            yield replace(right, verbs=lacking)


async def _refused(api: KubernetesApi, rights: Iterable[Right]) -> AsyncIterator[Right]:
    """Those that the cluster refuses if it is asked for each."""
    for right in rights:
        asked = [(verb, await _is_allowed(api, right, verb)) for verb in right.verbs]
        if lacking := tuple(verb for verb, is_allowed in asked if not is_allowed):
            yield replace(right, verbs=lacking)


async def _is_allowed(api: KubernetesApi, right: Right, verb: str) -> bool:
    about = {"verb": verb, "group": right.resource.group, "resource": right.resource.plural}
    if right.subresource:
        about["subresource"] = right.subresource
    if right.resource not in CLUSTER_SCOPED:
        about["namespace"] = api.namespace
    review = await api.create(SELF_SUBJECT_ACCESS_REVIEW, {"spec": {"resourceAttributes": about}})
    return bool(review["status"]["allowed"])

"""The resource types that the platform uses, and the definitions of its own three."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.names import GROUP

__all__ = [
    "APPLICATION",
    "CONFIG_MAP",
    "CUSTOM_RESOURCE_DEFINITION",
    "DEVICE",
    "EVENT",
    "GATEWAY",
    "JOB",
    "LEASE",
    "NAMESPACE",
    "NODE",
    "POD",
    "SECRET",
    "SELF_SUBJECT_ACCESS_REVIEW",
    "SELF_SUBJECT_RULES_REVIEW",
    "SERVICE",
    "SERVICE_ACCOUNT",
    "STATEFUL_SET",
    "SUBJECT_ACCESS_REVIEW",
    "TOKEN_REVIEW",
    "load_crds",
]

DEVICE = Resource(GROUP, "v1", "devices", "Device")
APPLICATION = Resource(GROUP, "v1", "applications", "Application")
GATEWAY = Resource(GROUP, "v1", "gateways", "Gateway")

NAMESPACE = Resource("", "v1", "namespaces", "Namespace")
NODE = Resource("", "v1", "nodes", "Node")
POD = Resource("", "v1", "pods", "Pod")
SERVICE = Resource("", "v1", "services", "Service")
SERVICE_ACCOUNT = Resource("", "v1", "serviceaccounts", "ServiceAccount")
SECRET = Resource("", "v1", "secrets", "Secret")
CONFIG_MAP = Resource("", "v1", "configmaps", "ConfigMap")
EVENT = Resource("", "v1", "events", "Event")
STATEFUL_SET = Resource("apps", "v1", "statefulsets", "StatefulSet")
JOB = Resource("batch", "v1", "jobs", "Job")
LEASE = Resource("coordination.k8s.io", "v1", "leases", "Lease")
CUSTOM_RESOURCE_DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"
)
SELF_SUBJECT_ACCESS_REVIEW = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"
)
SUBJECT_ACCESS_REVIEW = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview")
TOKEN_REVIEW = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview")
SELF_SUBJECT_RULES_REVIEW = Resource("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview")


def load_crds() -> list[dict[str, Any]]:
    """Return new copies of the three CustomResourceDefinitions, in the order devices, applications, gateways."""
    return deepcopy(_crds())


@cache
def _crds() -> list[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    folder = files(__package__) / "crds"
    return [
        yaml.load((folder / f"{resource.plural}.yaml").read_text("utf-8"), loader)
        for resource in (DEVICE, APPLICATION, GATEWAY)
    ]

"""The options of a writing request, from its query, its headers, and the body of a deletion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.clusters.embedded import errors
from harness.clusters.embedded.bodies import media_type
from harness.clusters.embedded.builders import BOOLEAN, INTEGER, STRING, array, obj
from harness.clusters.embedded.errors import Cause, StatusError, bad_request
from harness.clusters.embedded.kinds.decoding import decoding_problem
from harness.clusters.embedded.messages import JSON, Request
from harness.clusters.embedded.query import integer
from harness.clusters.embedded.repeats import repeated_fields
from harness.clusters.embedded.values import Object
from harness.clusters.embedded.write_options import Options
from harness.clusters.requests import boolean, flag

__all__ = ["check_delete_options", "deletion_policy", "is_dry_run", "options_of"]

_VALIDATION = ("Ignore", "Strict", "Warn")
_DELETE_OPTIONS = obj(
    preconditions=obj(uid=STRING, resourceVersion=STRING),
    propagationPolicy=STRING,
    orphanDependents={**BOOLEAN, "nullable": True},
    gracePeriodSeconds=INTEGER,
    dryRun=array(STRING),
)
_POLICIES = ("Foreground", "Background", "Orphan")
_MANAGER_LIMIT = 128
"""Bytes of a field manager's name."""
_OPTIONS = {"POST": "Create", "PUT": "Update", "PATCH": "Patch", "DELETE": "Delete"}
"""The name of a verb's options, without the word Options."""


def options_of(request: Request, dry_run: bool, approve: Callable[[Object], object] | None) -> Options:
    """The options of a write; ``approve`` raises a refusal for an object that the user may not store."""
    query = request.query
    size = len(request.body) if isinstance(request.body, bytes) else 0
    repeated = _repeated(request)
    if not query:
        return Options(dry_run, _manager(request), repeated=repeated, size=size, approve=approve)
    validation = query.get("fieldValidation") or "Warn"
    if validation not in _VALIDATION:
        cause = errors.unsupported_value("fieldValidation", validation, ("", *_VALIDATION))
        raise _invalid_options(request.method, cause)
    manager = query.get("fieldManager") or _manager(request)
    if problem := _manager_problem(manager):
        raise _invalid_options(request.method, problem)
    force = flag(query, "force")
    return Options(dry_run, manager, validation, force, repeated=repeated, size=size, approve=approve)


def is_dry_run(request: Request, body: Any) -> bool:
    """Whether nothing is to be stored, from the query, or from the body of a deletion that has one."""
    if request.method == "DELETE" and body is not None:
        wanted = body.get("dryRun") or []
    else:
        wanted = [request.query["dryRun"]] if "dryRun" in request.query else []
    if not set(wanted) <= {"All"}:
        raise _invalid_options(request.method, errors.unsupported_value("dryRun", wanted, ("All",)))
    return bool(wanted)


def _repeated(request: Request) -> list[str]:
    """The fields that the body of an object names twice; patches are not asked."""
    if request.method == "PATCH" or type(request.body) is not bytes or not request.body or media_type(request) != JSON:
        return []
    return repeated_fields(request.body)


def _invalid_options(method: str, cause: Cause) -> StatusError:
    return errors.invalid("meta.k8s.io", f"{_OPTIONS[method]}Options", "", [cause])


def check_delete_options(body: Any) -> None:
    kind = body.get("kind")
    if kind not in (None, "", "DeleteOptions"):
        known = f'no kind "{kind}" is registered for version "{body.get("apiVersion", "")}"'
        raise bad_request(f'{known} in scheme "pkg/runtime/scheme.go:111"')
    if problem := decoding_problem("DeleteOptions", _DELETE_OPTIONS, body):
        raise bad_request(problem)


def deletion_policy(request: Request, options: Object | None) -> str:
    """How dependents are deleted, from the body, or from the query of a request without a body."""
    if options is None:
        policy, orphan = request.query.get("propagationPolicy"), boolean(request.query, "orphanDependents")
        integer(request.query, "gracePeriodSeconds")
    else:
        policy, orphan = options.get("propagationPolicy"), options.get("orphanDependents")
    if policy is not None and orphan is not None:
        both = "orphanDependents and deletionPropagation cannot be both set"
        raise _invalid_options("DELETE", errors.invalid_value("propagationPolicy", policy, both))
    if orphan:
        return "Orphan"
    if policy not in (None, *_POLICIES):
        raise _invalid_options("DELETE", errors.unsupported_value("propagationPolicy", policy, (*_POLICIES, "nil")))
    return policy or "Background"


def _manager(request: Request) -> str:
    """The default field manager: the client's name for itself."""
    called = request.client if request.in_process else request.headers.get("user-agent", "")
    return called.partition("/")[0][:_MANAGER_LIMIT] or "unknown"


def _manager_problem(manager: str) -> Cause | None:
    if len(manager.encode()) > _MANAGER_LIMIT:
        return errors.too_long("fieldManager", _MANAGER_LIMIT)
    for position, character in enumerate(manager):
        if not character.isprintable():
            detail = f"invalid character U+{ord(character):04X} (at position {position})"
            return errors.invalid_value("fieldManager", manager, detail)
    return None

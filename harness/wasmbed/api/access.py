"""Callers and their rights: the Kubernetes API server knows both (TokenReview, SubjectAccessReview).

A token is a ServiceAccount's (``kubectl create token``). Rights are RBAC rules on the platform's own resources, so the
roles viewer, operator and admin are ClusterRoles, and a caller may do here what they may do with kubectl.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any, Generic, TypeVar

from harness.core.clock import Clock
from harness.core.logs import get_log
from harness.wasmbed.api.operation import Caller, Right
from harness.wasmbed.api.problems import Problem, of_api_error
from harness.wasmbed.api.roles import ROLES
from harness.wasmbed.resources.api import ApiError, ResourceApi
from harness.wasmbed.resources.kinds import SUBJECT_ACCESS_REVIEW, TOKEN_REVIEW

__all__ = ["Access", "Standing"]

log = get_log(__name__)

_TOKEN_LIMIT = 8192
_REMEMBERED = 4096
"""Answers that are used again, of each kind, the latest."""
_ASKED_AGAIN = 60.0
"""Seconds after which the token and the rights of a stream's caller are checked again."""

_GET_ONE = "wasmbed platform token prints one, and kubectl create token NAME one of a ServiceAccount"

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Access:
    """Asks the Kubernetes API server, and uses an answer again for ``trusted_for`` seconds."""

    def __init__(self, api: ResourceApi, clock: Clock, trusted_for: float) -> None:
        self._api = api
        self._callers: _Recent[bytes, Caller | None] = _Recent(clock, trusted_for)
        self._rights: _Recent[tuple[Caller, Right], str | None] = _Recent(clock, trusted_for)

    async def caller(self, authorization: str) -> Caller:
        """Return whose the bearer token of an Authorization header is. Raises :class:`Problem`: 401, 503."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > _TOKEN_LIMIT:
            raise _unknown(f"a bearer token is needed: {_GET_ONE}")
        key = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = self._callers.get(key)
        if not found:
            found = (await self._review(token),)
            self._callers.put(key, found[0])
        if found[0] is None:
            raise _unknown(f"the bearer token is not valid, or not any more: {_GET_ONE}")
        return found[0]

    async def check(self, caller: Caller, right: Right) -> None:
        """Raise :class:`Problem` 403 if ``caller`` has not got ``right``; 503 if nobody can tell."""
        found = self._rights.get((caller, right))
        if not found:
            found = (await self._ask(caller, right),)
            self._rights.put((caller, right), found[0])
        if found[0] is not None:
            raise Problem(403, f"{caller.name} has no right to {right}; {_roles_with(right)}{found[0]}")

    async def _review(self, token: str) -> Caller | None:
        status = await self._create(TOKEN_REVIEW, {"token": token})
        if not status.get("authenticated"):
            return None
        user = status.get("user") or {}
        return Caller(
            str(user.get("username")),
            str(user.get("uid", "")),
            tuple(user.get("groups") or ()),
            tuple((key, tuple(values)) for key, values in sorted((user.get("extra") or {}).items())),
        )

    async def _ask(self, caller: Caller, right: Right) -> str | None:
        """Return None if the right is there, else what the API server says about that."""
        plural, _, subresource = right.plural.partition("/")
        spec: dict[str, Any] = {
            "user": caller.name,
            "uid": caller.uid,
            "groups": list(caller.groups),
            "extra": {key: list(values) for key, values in caller.extra},
            "resourceAttributes": {
                "namespace": self._api.namespace,
                "verb": right.verb,
                "group": right.group,
                "version": "*",
                "resource": plural,
                "subresource": subresource,
            },
        }
        status = await self._create(SUBJECT_ACCESS_REVIEW, spec)
        if status.get("allowed"):
            return None
        return f" ({status['reason']})" if status.get("reason") else ""

    async def _create(self, resource: Any, spec: dict[str, Any]) -> dict[str, Any]:
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        try:
            return (await self._api.create(resource, body)).get("status") or {}
        except (ApiError, OSError) as error:
            problem = of_api_error(error)
            raise problem if problem.status == 503 else Problem(503, f"nobody could check that: {error}") from error


class Standing:
    """Whether the caller of a stream, which outlives tokens and rights, still has them."""

    def __init__(self, access: Access, authorization: str, rights: Sequence[Right], clock: Clock) -> None:
        self._access, self._authorization, self._rights, self._clock = access, authorization, rights, clock
        self._asked = clock.now()

    async def check(self) -> None:
        """Raise :class:`Problem` unless it is the token of somebody with all the rights."""
        self._asked = self._clock.now()
        caller = await self._access.caller(self._authorization)
        for right in self._rights:
            await self._access.check(caller, right)

    async def lasts(self) -> bool:
        """Return False once the caller has lost the token or a right. It is asked at most once a minute, and the
        stream goes on while nobody can tell."""
        if self._clock.now() - self._asked < _ASKED_AGAIN:
            return True
        try:
            await self.check()
        except Problem as problem:
            if problem.status in (401, 403):
                return False
            log.info("nobody can tell whether a subscriber still may follow: %s", problem)
        return True


class _Recent(Generic[K, V]):
    """The latest answers, each in a tuple of one, for a time."""

    def __init__(self, clock: Clock, kept_for: float) -> None:
        self._clock, self._kept_for = clock, kept_for
        self._answers: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> tuple[V] | None:
        found = self._answers.get(key)
        if found is None or found[0] < self._clock.now():
            return None
        return (found[1],)

    def put(self, key: K, value: V) -> None:
        self._answers[key] = self._clock.now() + self._kept_for, value
        self._answers.move_to_end(key)
        if len(self._answers) > _REMEMBERED:
            self._answers.popitem(last=False)


def _roles_with(right: Right) -> str:
    names = [name for name, role in ROLES.items() if right.verb in role.rules.get((right.group, right.plural), ())]
    if not names:
        return "an RBAC role gives it, and none of viewer, operator and admin does"
    return f"the role {' or '.join(names)} gives it, or another RBAC role"


def _unknown(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})

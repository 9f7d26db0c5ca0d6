"""The check that every request passes: its user, the user that it impersonates, and whether that user may make it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.clusters.embedded.access.attributes import Attributes, attributes_of
from harness.clusters.embedded.access.defaults import install_defaults
from harness.clusters.embedded.access.grants import check_grant
from harness.clusters.embedded.access.reviews import Reviews
from harness.clusters.embedded.access.roles import Roles
from harness.clusters.embedded.access.tokens import Tokens
from harness.clusters.embedded.access.users import ADMIN, User, impersonated
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.state import State
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.values import Object

__all__ = ["Access"]


class Access:
    """Authentication by tokens, impersonation, authorisation, and reviews of them."""

    def __init__(self, state: State) -> None:
        self._state = state
        install_defaults(state)
        self.roles = Roles(state)
        self.tokens = Tokens(state)
        self._reviews = Reviews(self.roles, self.tokens, state.now)

    def restored(self) -> None:
        """Follow the roles of a snapshot, which may be from before there were any."""
        if self.roles.rules_of({"kind": "ClusterRole", "name": "cluster-admin"}, "") is None:
            install_defaults(self._state)
        self.roles.follow()

    def admit(self, request: Request) -> None:
        """Let a request pass, as the user that it impersonates. Raises the refusals 400 and 403."""
        if request.headers and (other := impersonated(request.headers)) is not None:
            self._check_impersonation(request, other)
            request.user = other
        if request.user is not ADMIN and not request.user.is_master:
            self.check(request.user, attributes_of(request))

    def check(self, user: User, wanted: Attributes) -> None:
        """Raise the 403 refusal unless a user may do something."""
        decision = self.roles.decide(user, wanted)
        if not decision.allowed:
            raise wanted.forbidden(user.name, decision.reason)

    def _check_impersonation(self, request: Request, other: User) -> None:
        """Raise the refusal unless a user may act as another, which it names as Kubernetes 1.36 does."""
        user = request.user
        if user.is_master:
            return
        mode = "user-info"
        account = other.name.removeprefix("system:serviceaccount:").split(":")
        if other.name.startswith("system:serviceaccount:") and len(account) == 2:
            mode = "serviceaccount"
            wanted = [Attributes("impersonate", "", "v1", "serviceaccounts", "", *account)]
        else:
            wanted = [Attributes("impersonate", "", "v1", "users", "", "", other.name)]
            wanted += [Attributes("impersonate", "", "v1", "groups", "", "", group) for group in other.groups
                       if not group.startswith("system:authenticated")]  # fmt: skip
        group = "authentication.k8s.io"
        if other.uid:
            wanted.append(Attributes("impersonate", group, "v1", "uids", "", "", other.uid))
        wanted += [
            Attributes("impersonate", group, "v1", "userextras", key, "", value)
            for key, values in other.extra.items()
            for value in values
        ]
        if not all(self.roles.decide(user, one).allowed for one in wanted):
            own = attributes_of(request)
            raise replace(own, verb=f"impersonate-on:{mode}:{own.verb}").forbidden(user.name)

    def review(self, served: ResourceType, namespace: str, user: User, body: Any) -> Object:
        """Answer a review. Raises the refusals 400 and 422."""
        return self._reviews.answer(served, namespace, user, body)

    def check_grant(self, user: User, plural: str, new: Object) -> None:
        """Raise the 403 refusal for a role or binding that gives more than its maker has."""
        check_grant(self.roles, user, plural, new)

    def bearer(self, authorization: str) -> User | None:
        """The user whom an ``Authorization`` header with a ServiceAccount's token names."""
        scheme, _, token = authorization.partition(" ")
        return self.tokens.user(token.strip()) if scheme.lower() == "bearer" and token else None

"""Operations on secrets: Kubernetes Secrets with a label.

Values are in no list and no log, and each reading of one is counted. The rights are verbs on ``secrets`` of the
platform's own group, so that they give no access to other Secrets.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from harness.core.clock import Clock
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.api.shapes import Time
from harness.wasmbed.api.writes import Done, Name
from harness.wasmbed.resources.api import Conflict, NotFound, Object, ResourceApi
from harness.wasmbed.resources.kinds import SECRET
from harness.wasmbed.resources.names import GROUP, PURPOSE_LABEL
from harness.wasmbed.resources.timestamps import format_timestamp

__all__ = ["Secrets"]

_PURPOSE = "secret"
_PREFIX = "wasmbed-secret-"
_COUNT, _LAST = f"{GROUP}/access-count", f"{GROUP}/last-accessed"
_VALUE = "value"


class NewSecret(Body):
    """A secret to keep."""

    name: Name
    namespace: Annotated[str | None, Field(max_length=63, description="The namespace of the platform, if any.")] = None
    value: Annotated[str, Field(max_length=32_768)]


class SecretShape(TypedDict):
    """A secret, without its value."""

    secret_id: str
    name: str
    namespace: str
    created_at: Time
    last_accessed: Time | None
    access_count: Annotated[int, Field(description="How often its value was read.")]


class CreatedSecret(TypedDict):
    """A secret that is kept."""

    secret_id: str
    secret: SecretShape


class SecretValue(TypedDict):
    """The value of a secret."""

    secret_id: str
    value: str


class Secrets:
    """The operations. ``api`` is the service's own access: one service counts the readings."""

    def __init__(self, api: ResourceApi, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._counting = asyncio.Lock()

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        every, one = "/api/v1/secrets", "/api/v1/secrets/{id}"
        return [
            Operation(
                name="listSecrets", method="GET", path=every, run=self._list, answer=list[SecretShape],
                right=Right("list", "secrets"), summary="The secrets, without their values.",
            ),
            Operation(
                name="createSecret", method="POST", path=every, run=self._create, answer=CreatedSecret, body=NewSecret,
                status=201, right=Right("create", "secrets"), refusals=(409,), summary="Keep a secret.",
            ),
            Operation(
                name="getSecret", method="GET", path=one, run=self._get, answer=SecretShape,
                right=Right("list", "secrets"), refusals=(404,), summary="One secret, without its value.",
            ),
            Operation(
                name="readSecret", method="GET", path=one + "/value", run=self._read, answer=SecretValue,
                right=Right("get", "secrets"), refusals=(404,), summary="The value of a secret. It is counted.",
            ),
            Operation(
                name="deleteSecret", method="DELETE", path=one, run=self._delete, answer=Done,
                right=Right("delete", "secrets"), refusals=(404,), summary="Forget a secret.",
            ),
        ]  # fmt: skip

    async def count(self) -> int:
        """Return the number of secrets."""
        return len(await self._all())

    async def _all(self) -> list[Object]:
        return (await self._api.list(SECRET, label_selector=f"{PURPOSE_LABEL}={_PURPOSE}")).items

    async def _find(self, call: Call[NoBody, NoQuery]) -> Object:
        name = call.names["id"]
        try:
            found = await self._api.get(SECRET, _PREFIX + name)
        except NotFound as error:
            raise Problem(404, f"there is no secret {name}") from error
        if (found["metadata"].get("labels") or {}).get(PURPOSE_LABEL) != _PURPOSE:
            raise Problem(404, f"there is no secret {name}")
        return found

    async def _list(self, call: Call[NoBody, NoQuery]) -> Answer:
        return Answer([_shape(each) for each in await self._all()])

    async def _get(self, call: Call[NoBody, NoQuery]) -> Answer:
        return Answer(_shape(await self._find(call)))

    async def _create(self, call: Call[NewSecret, NoQuery]) -> Answer:
        wanted = call.body
        if wanted.namespace not in (None, self._api.namespace):
            detail = f"secrets are kept in the namespace {self._api.namespace}"
            raise Problem(422, detail, [{"field": "namespace", "detail": detail}])
        body: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": _PREFIX + wanted.name, "labels": {PURPOSE_LABEL: _PURPOSE}},
            "data": {_VALUE: b64encode(wanted.value.encode()).decode()},
        }
        try:
            shape = _shape(await self._api.create(SECRET, body))
        except Conflict as error:
            raise Problem(409, f"there is a secret {wanted.name} already; delete it first") from error
        created: CreatedSecret = {"secret_id": shape["secret_id"], "secret": shape}
        return Answer(created, status=201)

    async def _read(self, call: Call[NoBody, NoQuery]) -> Answer:
        async with self._counting:
            found = await self._find(call)
            count = str(_shape(found)["access_count"] + 1)
            noted = {_COUNT: count, _LAST: format_timestamp(self._clock.now())}
            await self._api.patch(SECRET, found["metadata"]["name"], {"metadata": {"annotations": noted}})
        value = b64decode(found["data"][_VALUE]).decode()
        return Answer(SecretValue(secret_id=call.names["id"], value=value))

    async def _delete(self, call: Call[NoBody, NoQuery]) -> Answer:
        found = await self._find(call)
        await self._api.delete(SECRET, found["metadata"]["name"], uid=found["metadata"]["uid"])
        done: Done = {"success": True, "message": f"secret {call.names['id']} is deleted"}
        return Answer(done)


def _shape(found: Object) -> SecretShape:
    metadata = found["metadata"]
    noted, name = metadata.get("annotations") or {}, metadata["name"].removeprefix(_PREFIX)
    return {
        "secret_id": name,
        "name": name,
        "namespace": metadata["namespace"],
        "created_at": metadata["creationTimestamp"],
        "last_accessed": noted.get(_LAST),
        "access_count": int(noted.get(_COUNT, "0")),
    }

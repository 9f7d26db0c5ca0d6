"""Operations on applications: a module, its targets, and whether it is to run."""

from __future__ import annotations

import asyncio
import binascii
from base64 import b64decode
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from typing_extensions import TypedDict

from harness.core.identifiers import Randomness
from harness.wasmbed.api.copies import Copies
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.paging import Page, PageQuery, page_of
from harness.wasmbed.api.problems import Problem
from harness.wasmbed.api.shapes import ApplicationShape, application_shape
from harness.wasmbed.api.texts import Texts
from harness.wasmbed.api.writes import ONLY_THESE, Done, LabelKey, LabelValue, Name, delete, patch
from harness.wasmbed.protocol.messages import Limits
from harness.wasmbed.resources.api import Conflict, ResourceApi
from harness.wasmbed.resources.kinds import APPLICATION
from harness.wasmbed.resources.manifests import new_object
from harness.wasmbed.resources.modules import ConfigMapModuleStore, ModuleMissing
from harness.wasmbed.resources.phases import ApplicationPhase
from harness.wasmbed.resources.views import ApplicationConfig
from harness.wasmbed.runtime.validation import InvalidModule, validate

__all__ = ["Applications"]

_LARGEST = 1_398_104
"""Characters of a module in base64."""
_NOT_KEPT = "As the original's clients send it: the module says all."
Text = Annotated[str, StringConstraints(max_length=4096)]


class ApplicationQuery(PageQuery):
    """Which applications."""

    status: Annotated[ApplicationPhase | None, Field(description="Only applications in this phase.")] = None


class ApplicationList(Page):
    """Applications, by name."""

    applications: list[ApplicationShape]


class ByName(Body):
    """These devices."""

    deviceNames: Annotated[list[Name], Field(min_length=1, max_length=10_000)]

    def spec(self) -> dict[str, Any]:
        """Return the target of the Application's spec."""
        return {"deviceNames": list(dict.fromkeys(self.deviceNames))}


class ByLabels(Body):
    """Devices with all these labels, later ones too."""

    matchLabels: Annotated[dict[LabelKey, LabelValue], Field(min_length=1, max_length=64, json_schema_extra=ONLY_THESE)]

    def spec(self) -> dict[str, Any]:
        """Return the target of the Application's spec."""
        return {"selector": {"matchLabels": dict(self.matchLabels)}}


class AllDevices(Body):
    """All devices, later ones too."""

    allDevices: Literal[True]

    def spec(self) -> dict[str, Any]:
        """Return the target of the Application's spec."""
        return {"allDevices": True}


Names = Annotated[list[Name], Field(min_length=1, max_length=10_000)]
Targets = Annotated[
    Names | ByName | ByLabels | AllDevices,
    Field(description="Names, as the original's clients send them, or one of three choices."),
]


class Config(Body):
    """Limits and input; what is left out has the default of the resource."""

    memoryLimit: Annotated[int | None, Field(ge=1 << 16, le=1 << 32, description="Bytes of memory.")] = None
    fuel: Annotated[int | None, Field(ge=1, lt=1 << 63, description="Units for one call into the module.")] = None
    timeLimit: Annotated[
        int | None, Field(ge=1, le=3_600_000, description="Milliseconds for one call into the module.")
    ] = None
    entry: Annotated[str | None, Field(min_length=1, max_length=256, description="The function to call.")] = None
    args: Annotated[list[Text] | None, Field(max_length=64)] = None
    env: Annotated[dict[str, Text] | None, Field(max_length=64)] = None

    def spec(self) -> dict[str, Any]:
        """Return what was given."""
        return self.model_dump(exclude_none=True)


class WholeApplication(Body):
    """All of an application but its name."""

    displayName: Annotated[str | None, Field(min_length=1, max_length=253)] = None
    description: Annotated[str | None, Field(max_length=1024)] = None
    wasmBytes: Annotated[str, Field(max_length=_LARGEST, description="The module in base64.")]
    targetDevices: Targets
    config: Config = Config()
    stopped: Annotated[bool, Field(description="Whether it is only created, to be deployed later.")] = False

    def spec(self, name: str) -> dict[str, Any]:
        """Return the spec of the Application ``name``."""
        return {
            "name": self.displayName or name,
            **({"description": self.description} if self.description else {}),
            "targetDevices": _targets(self.targetDevices),
            "stopped": self.stopped,
            "config": self.config.spec(),
            "wasmBytes": self.wasmBytes,
        }


class NewApplication(WholeApplication):
    """An application to run."""

    name: Annotated[Name | None, Field(description="Its name; one is made up if there is none.")] = None
    language: Annotated[str | None, Field(max_length=63, description=_NOT_KEPT)] = None
    template: Annotated[str | None, Field(max_length=63, description=_NOT_KEPT)] = None


class ApplicationChange(Body):
    """The changes of an application: another module or other targets lead to a redeployment."""

    displayName: Annotated[str | None, Field(min_length=1, max_length=253)] = None
    description: Annotated[str | None, Field(max_length=1024, description="Null takes it away.")] = None
    wasmBytes: Annotated[str | None, Field(max_length=_LARGEST)] = None
    targetDevices: Targets | None = None
    config: Config | None = None


class CreatedApplication(TypedDict):
    """An application that was created."""

    success: Literal[True]
    message: str
    application: ApplicationShape


class Applications:
    """The operations."""

    def __init__(self, api: ResourceApi, copies: Copies, randomness: Randomness) -> None:
        self._api, self._copies, self._randomness = api, copies, randomness
        self._texts = Texts(copies.informers[APPLICATION], application_shape)
        self._modules = ConfigMapModuleStore(api)

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        one = "/api/v1/applications/{id}"
        change = Right("patch", "applications")
        return [
            Operation(
                name="listApplications", method="GET", path="/api/v1/applications", run=self._list,
                also="/api/applications",
                answer=ApplicationList, query=ApplicationQuery, right=Right("list", "applications"),
                summary="The applications, by name.",
            ),
            Operation(
                name="createApplication", method="POST", path="/api/v1/applications", run=self._create,
                answer=CreatedApplication, body=NewApplication, status=201, right=Right("create", "applications"),
                refusals=(409,), summary="Create an application; it is deployed at once unless it is stopped.",
            ),
            Operation(
                name="getApplication", method="GET", path=one, run=self._get, answer=ApplicationShape,
                right=Right("get", "applications"), refusals=(404,), summary="One application.",
            ),
            Operation(
                name="changeApplication", method="PATCH", path=one, run=self._change, answer=ApplicationShape,
                body=ApplicationChange, right=change, refusals=(404, 409, 412),
                summary="Change an application. Its devices get the new one.",
            ),
            Operation(
                name="replaceApplication", method="PUT", path=one, run=self._replace, answer=ApplicationShape,
                body=WholeApplication, right=change, refusals=(404, 409, 412),
                summary="Replace an application; what is left out gets its default.",
            ),
            Operation(
                name="deleteApplication", method="DELETE", path=one, run=self._delete, answer=Done,
                right=Right("delete", "applications"), refusals=(404, 412),
                summary="Delete an application. It is gone when its devices have stopped it.",
            ),
            Operation(
                name="deployApplication", method="POST", path=one + "/deploy", run=self._deploy, answer=Done,
                body=NoBody, right=change, refusals=(404, 409, 412), summary="Let it run on its devices.",
            ),
            Operation(
                name="stopApplication", method="POST", path=one + "/stop", run=self._stop, answer=Done, body=NoBody,
                right=change, refusals=(404, 409, 412), summary="Stop it on its devices.",
            ),
            Operation(
                name="getModule", method="GET", path=one + "/module", run=self._module, answer=None,
                media_type="application/wasm", right=Right("get", "applications"), refusals=(404,),
                summary="Its module.",
            ),
        ]  # fmt: skip

    async def _list(self, call: Call[NoBody, ApplicationQuery]) -> Answer:
        wanted = call.query.status
        found, page = page_of(
            self._copies.of(APPLICATION),
            call.query,
            lambda each: wanted is None or (each.get("status") or {}).get("phase", "Pending") == wanted.value,
            self._texts.of,
        )
        return Answer({"applications": found, **page})

    async def _get(self, call: Call[NoBody, NoQuery]) -> Answer:
        found = application_shape(self._copies.find(APPLICATION, call.names["id"]))
        return Answer(found, version=found["resourceVersion"])

    async def _create(self, call: Call[NewApplication, NoQuery]) -> Answer:
        wanted = call.body
        name = wanted.name or f"application-{self._randomness.token(6)}"
        await _check_module(wanted.wasmBytes, wanted.config.spec())
        try:
            made = await self._api.create(APPLICATION, new_object(APPLICATION, name, wanted.spec(name)))
        except Conflict as error:
            do = f"PUT /api/v1/applications/{name} replaces it"
            raise Problem(409, f"there is an application {name} already; {do}") from error
        self._copies.remember(APPLICATION, made)
        shape = application_shape(made)
        message = f"application {name} is created"
        answer: CreatedApplication = {"success": True, "message": message, "application": shape}
        return Answer(answer, status=201, version=shape["resourceVersion"])

    async def _change(self, call: Call[ApplicationChange, NoQuery]) -> Answer:
        wanted, present = call.body, self._copies.find(APPLICATION, call.names["id"])["spec"]
        spec: dict[str, Any] = {}
        if wanted.displayName is not None:
            spec["name"] = wanted.displayName
        if "description" in wanted.model_fields_set:
            spec["description"] = wanted.description
        if wanted.targetDevices is not None:
            others = dict.fromkeys(("deviceNames", "selector", "allDevices"))
            spec["targetDevices"] = {**others, **_targets(wanted.targetDevices)}
        if wanted.config is not None:
            spec["config"] = wanted.config.spec()
        if wanted.wasmBytes is not None:
            await _check_module(wanted.wasmBytes, {**(present.get("config") or {}), **spec.get("config", {})})
            spec |= {"wasmBytes": wanted.wasmBytes, "wasmRef": None}
        written = await patch(self._api, self._copies, APPLICATION, call, {"spec": spec})
        return Answer(application_shape(written), version=written["metadata"]["resourceVersion"])

    async def _replace(self, call: Call[WholeApplication, NoQuery]) -> Answer:
        name = call.names["id"]
        wanted = call.body.spec(name)
        present = self._copies.find(APPLICATION, name)["spec"]
        await _check_module(call.body.wasmBytes, wanted["config"])
        change = _replacing(present, wanted)
        written = await patch(self._api, self._copies, APPLICATION, call, {"spec": change})
        return Answer(application_shape(written), version=written["metadata"]["resourceVersion"])

    async def _delete(self, call: Call[NoBody, NoQuery]) -> Answer:
        return await delete(self._api, self._copies, APPLICATION, call)

    async def _deploy(self, call: Call[NoBody, NoQuery]) -> Answer:
        return await self._set_stopped(call, stopped=False)

    async def _stop(self, call: Call[NoBody, NoQuery]) -> Answer:
        return await self._set_stopped(call, stopped=True)

    async def _set_stopped(self, call: Call[NoBody, NoQuery], *, stopped: bool) -> Answer:
        await patch(self._api, self._copies, APPLICATION, call, {"spec": {"stopped": stopped}})
        what = "is to stop on its devices" if stopped else "is to run on its devices"
        message = f"application {call.names['id']} {what}; its status says how far it is"
        done: Done = {"success": True, "message": message}
        return Answer(done)

    async def _module(self, call: Call[NoBody, NoQuery]) -> Answer:
        spec = self._copies.find(APPLICATION, call.names["id"])["spec"]
        if "wasmBytes" in spec:
            return Answer(b64decode(spec["wasmBytes"]), media_type="application/wasm")
        try:
            return Answer(await self._modules.get(spec["wasmRef"]), media_type="application/wasm")
        except ModuleMissing as error:
            raise Problem(404, str(error)) from error


def _targets(given: list[str] | ByName | ByLabels | AllDevices) -> dict[str, Any]:
    return {"deviceNames": list(dict.fromkeys(given))} if isinstance(given, list) else given.spec()


def _replacing(present: Any, wanted: Any) -> Any:
    """Return the merge patch that makes ``wanted`` of ``present``."""
    if not isinstance(present, dict) or not isinstance(wanted, dict):
        return wanted
    gone = dict.fromkeys(present.keys() - wanted.keys())
    return {**gone, **{name: _replacing(present.get(name), each) for name, each in wanted.items()}}


async def _check_module(text: str, config: dict[str, Any]) -> None:
    """Raise :class:`Problem` 422 for what no device could run."""
    try:
        module = b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(422, f"wasmBytes is not base64: {error}") from error
    limits = ApplicationConfig(config)
    wanted = Limits(memory=limits.memory_limit, fuel=limits.fuel, wall_time=limits.time_limit)
    try:
        await asyncio.to_thread(validate, module, wanted, limits.entry)
    except InvalidModule as error:
        raise Problem(422, f"the module cannot run: {error}") from error

"""Keywords that deploy, watch, stop, and replace applications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.boards.board import Board
from harness.robot_library.arguments import USUAL, Duration, application_of, device_of, status_of, targets_of
from harness.robot_library.async_keywords import StackKeywords, async_keyword
from harness.stack.applications import ApplicationHandle
from harness.stack.modules import padded
from harness.wasmbed.resources.phases import ApplicationPhase
from harness.wasmbed.resources.views import ApplicationStatus, DeviceEntry

__all__ = ["ApplicationKeywords"]


class ApplicationKeywords(StackKeywords):
    """Keywords about applications. ``application`` is the value from `Deploy Application`, or a name."""

    @async_keyword("applications")
    async def deploy_application(
        self,
        module: bytes | str,
        to: Any = None,
        *,
        labels: str | None = None,
        name: str | None = None,
        memory: int | None = None,
        fuel: int | None = None,
        time_limit: Duration | None = None,
        entry: str | None = None,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
    ) -> ApplicationHandle:
        """Create an Application and return it. Does not wait until it runs.

        ``module`` is the name of a module in the folder of the option ``modules``, a file (``.wasm`` or ``.wat``), or
        bytes. ``to`` is a board, a list of boards, ``all`` (the default), or names as in ``pump-1,pump-2``; ``labels``
        instead selects the devices with these labels. ``memory`` is in bytes; ``fuel`` and ``time_limit`` apply to one
        call.

        | ${app}=    Deploy Application    hello    ${board}
        | ${app}=    Deploy Application    echo    labels=site=roof    args=${{['first']}}
        """
        return await self.stack.deploy(
            self._module(module),
            to=targets_of(self.stack, to, labels),
            name=name,
            memory=memory,
            fuel=fuel,
            time_limit=time_limit.milliseconds if time_limit is not None else None,
            entry=entry,
            args=args,
            env=env,
        )

    @async_keyword("applications")
    async def get_module_of_size(self, module: str, size: int) -> bytes:
        """Return a module extended to about ``size`` bytes by a section without effect."""
        return padded(self.stack.modules.load(self._module(module)), size)

    @async_keyword("applications")
    async def application_should_reach_phase(
        self,
        application: ApplicationHandle | str,
        phase: ApplicationPhase,
        within: Duration = USUAL,
        **status: Any,
    ) -> ApplicationStatus:
        """Wait until an application is in ``phase``, and return its status. Further arguments are conditions on fields
        of the status, in Python's spelling.

        | Application Should Reach Phase    ${app}    Running    health=healthy
        """
        handle = application_of(self.stack, application)
        return (await handle.until(within=within, phase=str(phase), **status_of(status))).status

    @async_keyword("applications")
    async def application_status_should_become(
        self, application: ApplicationHandle | str, within: Duration = USUAL, **status: Any
    ) -> ApplicationStatus:
        """Wait until fields of an application's status, in Python's spelling, have these values, and return the status.

        | Application Status Should Become    ${app}    health=degraded    deployed_devices=2
        """
        handle = application_of(self.stack, application)
        return (await handle.until(within=within, **status_of(status))).status

    @async_keyword("applications")
    async def application_should_be_running_on(
        self, application: ApplicationHandle | str, *devices: Board | str, within: Duration = USUAL
    ) -> None:
        """Wait until an application runs on each of these devices.

        | Application Should Be Running On    ${app}    @{boards}    within=20s
        """
        handle = application_of(self.stack, application)
        for device in devices:
            await handle.until_on(device_of(self.stack, device).name, state="running", within=within)

    @async_keyword("applications")
    async def application_should_run_on_number_of_devices(
        self, application: ApplicationHandle | str, running: int, within: Duration = USUAL, **statistics: Any
    ) -> None:
        """Wait until an application's statistics show that it runs on ``running`` devices. ``target``, ``failed``, and
        ``unknown`` may be given too."""
        wanted = {"running": running, **status_of(statistics)}
        await application_of(self.stack, application).until(within=within, statistics=wanted)

    @async_keyword("applications")
    async def application_on_device_should_become(
        self, application: ApplicationHandle | str, device: Board | str, within: Duration = USUAL, **entry: Any
    ) -> DeviceEntry:
        """Wait until an application's entry for one device meets the conditions, and return the entry.

        | Application On Device Should Become    ${app}    ${board}    state=error    code=OUT_OF_FUEL
        """
        name = device_of(self.stack, device).name
        return await application_of(self.stack, application).until_on(name, within=within, **status_of(entry))

    @async_keyword("applications")
    async def get_status_of_application(self, application: ApplicationHandle | str) -> ApplicationStatus:
        """Return the present status of an application; its fields are in Python's spelling."""
        return application_of(self.stack, application).status

    @async_keyword("applications")
    async def published_values_should_be(
        self, application: ApplicationHandle | str, device: Board | str, *values: str, topic: str | None = None,
        within: Duration = USUAL,
    ) -> None:  # fmt: skip
        """Wait until an application has published exactly these values, in this order, on one device. With ``topic``,
        only values on that topic count.

        | Published Values Should Be    ${app}    ${board}    hello from a module    topic=greeting
        """

        def has_values(output: Sequence[Mapping[str, str]]) -> bool:
            return [each["payload"] for each in output if topic in (None, each["topic"])] == list(values)

        has_values.__name__ = repr(list(values))  # shown by a failure
        name = device_of(self.stack, device).name
        await application_of(self.stack, application).until_on(name, within=within, output=has_values)

    @async_keyword("applications")
    async def get_published_values(
        self, application: ApplicationHandle | str, device: Board | str, topic: str | None = None
    ) -> list[str]:
        """Return the values that an application last published on one device, only those on ``topic`` if given."""
        output = application_of(self.stack, application).output(device_of(self.stack, device).name)
        return [payload for on, payload in output if topic in (None, on)]

    @async_keyword("applications")
    async def stop_application(self, application: ApplicationHandle | str) -> None:
        """Request that an application's devices stop it. The resource stays."""
        await application_of(self.stack, application).stop()

    @async_keyword("applications")
    async def start_application(self, application: ApplicationHandle | str) -> None:
        """Request that a stopped application runs again."""
        await application_of(self.stack, application).start()

    @async_keyword("applications")
    async def redeploy_application(
        self,
        application: ApplicationHandle | str,
        module: bytes | str | None = None,
        *,
        memory: int | None = None,
        fuel: int | None = None,
        time_limit: Duration | None = None,
        entry: str | None = None,
        args: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Change an application's module, limits, or input, as in `Deploy Application`. Arguments that are not given
        leave the old values.

        | Redeploy Application    ${app}    echo
        | Redeploy Application    ${app}    fuel=100000
        """
        config = {
            "memoryLimit": memory,
            "fuel": fuel,
            "timeLimit": time_limit.milliseconds if time_limit is not None else None,
            "entry": entry,
            "args": list(args) if args is not None else None,
            "env": dict(env) if env is not None else None,
        }
        await application_of(self.stack, application).redeploy(
            self.stack.modules.load(self._module(module)) if module is not None else None,
            **{name: value for name, value in config.items() if value is not None},
        )

    @async_keyword("applications")
    async def delete_application(self, application: ApplicationHandle | str) -> None:
        """Delete an application. It is gone once its devices have stopped it: see `Application Should Be Gone`."""
        await application_of(self.stack, application).delete()

    @async_keyword("applications")
    async def application_should_be_gone(self, application: ApplicationHandle | str, within: Duration = USUAL) -> None:
        """Wait until a deleted application is stopped on all devices and its resource is gone."""
        await application_of(self.stack, application).until_gone(within=within)

    @staticmethod
    def _module(module: bytes | str) -> bytes | str | Path:
        return Path(module) if isinstance(module, str) and module.endswith((".wasm", ".wat")) else module

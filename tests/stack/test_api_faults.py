"""Faults of the API server: the clients that meet them, how often, and the events about them."""

import asyncio
from pathlib import Path

import pytest

from harness.clusters.existing.cluster import LEAVING
from harness.core.errors import UsageError
from harness.core.history import Kind
from harness.stack import Stack, StackOptions
from harness.wasmbed.resources.api import ApiError, Conflict, Gone
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import CONFIG_MAP, DEVICE, SECRET
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

OPTIONS = StackOptions(modules=Path(__file__).parents[2] / "scenarios" / "modules")
BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}


async def test_requests_fail_as_often_as_asked_for_those_that_are_meant() -> None:
    async with Stack(OPTIONS) as stack:
        await stack.api.create(CONFIG_MAP, BODY)
        with stack.api_faults.failing("get", client="User", kind="ConfigMap", name="one", code=409, times=2) as fault:
            for _ in range(2):
                with pytest.raises(Conflict, match="the test makes this fail"):
                    await stack.api.get(CONFIG_MAP, "one")
            assert (await stack.api.get(CONFIG_MAP, "one"))["metadata"]["name"] == "one"
            assert len((await stack.api.list(CONFIG_MAP)).items) == 1
            await stack.api.get(SECRET, f"gateway-{stack.gateway.name}-api")
        assert fault.hit == 2
        with stack.api_faults.failing(client="User"), pytest.raises(ConnectionRefusedError):
            await stack.api.list(DEVICE)
        with stack.api_faults.failing("delete", code=503), pytest.raises(ApiError) as error:
            await stack.api.delete(CONFIG_MAP, "one")
        assert (error.value.code, error.value.reason) == (503, "ServiceUnavailable")
        made = [event.name for event in stack.history.find(kind=Kind.FAULT, target="Kubernetes")]
        assert made == [
            "API fails with 409",
            "API restored",
            "API outage",
            "API restored",
            "API fails with 503",
            "API restored",
        ]


async def test_requests_wait_until_they_are_released() -> None:
    async with Stack(OPTIONS) as stack:
        with stack.api_faults.holding("create", kind="ConfigMap") as held:
            making = asyncio.create_task(stack.api.create(CONFIG_MAP, BODY))
            await held.reached.wait()
            assert (await stack.api.list(CONFIG_MAP)).items == []
            assert not making.done()
            held.released.set()
            await making
        with stack.api_faults.holding("delete", kind="ConfigMap") as held:
            ending = asyncio.create_task(stack.api.delete(CONFIG_MAP, "one"))
            await held.reached.wait()
        await ending


@pytest.mark.parametrize("code", [0, 410, 500])
async def test_a_watch_that_ends_is_taken_up_again_and_misses_nothing(code: int) -> None:
    async with Stack(OPTIONS) as stack:
        informer = Informer(stack.api, CONFIG_MAP, stack.clock, stack.randomness)
        await informer.start()
        assert stack.api_faults.break_watches(client="User", kind="ConfigMap", code=code) == 1
        assert stack.api_faults.break_watches(client="Nobody", code=code) == 0
        await stack.api.create(CONFIG_MAP, BODY)
        await informer.wait_for("one", lambda found: found is not None, 20)
        await informer.stop()


async def test_a_watch_that_ends_with_an_error_raises_it() -> None:
    async with Stack(OPTIONS) as stack:
        version = (await stack.api.list(CONFIG_MAP)).resource_version
        async with stack.api.watch(CONFIG_MAP, resource_version=version) as events:
            stack.api_faults.break_watches(client="User", kind="ConfigMap", code=410)
            await stack.api.create(CONFIG_MAP, BODY)
            with pytest.raises(Gone):
                await anext(events)


async def test_a_gateways_answers_are_read() -> None:
    async with Stack(OPTIONS) as stack:
        board = await stack.mock_board("pump")
        await board.enroll()
        assert set(await stack.gateway.sessions()) == {"pump"}
        assert await stack.gateway.metric("sessions", state="connected") == 1
        assert await stack.gateway.metric("no_such_figure") == 0
        assert (await stack.gateway.ask("GET", "/api/v1/sessions", token="wrong"))[0] == 401
        with pytest.raises(UsageError, match="the gateway is running"):
            await stack.gateway.start(sessions=1)


async def test_what_is_asked_is_done_although_its_answer_is_lost() -> None:
    async with Stack(OPTIONS) as stack:
        with stack.api_faults.losing_answers("create", client="User", kind="ConfigMap", times=1) as fault:
            with pytest.raises(ConnectionResetError):
                await stack.api.create(CONFIG_MAP, BODY)
            with pytest.raises(Conflict):
                await stack.api.create(CONFIG_MAP, BODY)
        assert fault.hit == 1
        with stack.api_faults.losing_answers("delete", code=504), pytest.raises(ApiError) as error:
            await stack.api.delete(CONFIG_MAP, "one")
        assert (error.value.code, error.value.reason) == (504, "Timeout")
        assert (await stack.api.list(CONFIG_MAP)).items == []
        made = [event.name for event in stack.history.find(kind=Kind.FAULT, target="Kubernetes")]
        assert made == ["API loses answers", "API restored"] * 2


@pytest.mark.parametrize("cluster", ["embedded", "kubeconfig"])
async def test_another_program_loses_answers_too(tmp_path: Path, cluster: str) -> None:
    async with Stack(OPTIONS) as outer:
        await outer.cluster.write_kubeconfig(tmp_path / "config")
        given = {"kubeconfig": str(tmp_path / "config")} if cluster == "kubeconfig" else {}
        async with Stack(OPTIONS.replace(cluster=cluster, **given), namespace="inner") as stack:
            await stack._give_access(tmp_path / "access")
            program = await KubernetesApi.open("inner", kubeconfig=tmp_path / "access")
            for code, kind in ((None, OSError), (504, ApiError)):
                with stack.api_faults.losing_answers(client="Gateway", code=code), pytest.raises(kind):
                    await program.create(CONFIG_MAP, {**BODY, "metadata": {"name": f"lost-{code or 0}"}})
            await program.close()
            found = [each["metadata"]["name"] for each in (await stack.api.list(CONFIG_MAP)).items]
            assert {"lost-0", "lost-504"} <= set(found)
            await stack.cluster.check()
        await LEAVING.settle(outer.clock)  # while its cluster is there

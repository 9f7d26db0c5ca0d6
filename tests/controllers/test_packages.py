from __future__ import annotations

import json
from base64 import b64encode

import pytest

from harness.wasmbed.controllers import packages
from harness.wasmbed.controllers.packages import BadModule, Packages
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.deployments import DeploymentRequest
from harness.wasmbed.resources.modules import LARGEST_MODULE, ModuleMissing, ModuleStore
from harness.wasmbed.resources.views import Application

MODULE = b"\0asm\1\0\0\0"


class Store(ModuleStore):
    """Modules in a dictionary, with a counter of requests."""

    def __init__(self) -> None:
        self.modules, self.asked = {}, 0

    async def put(self, module):
        raise NotImplementedError

    async def get(self, reference):
        self.asked += 1
        try:
            return self.modules[reference]
        except KeyError as error:
            raise ModuleMissing(reference) from error


def application(name="blink", generation=1, **options):
    raw = manifests.application(name, all_devices=True, **options)
    raw["metadata"].update(uid=f"uid-{name}", generation=generation)
    return Application(raw)


async def revision(**options):
    return (await Packages(Store()).get(application(**options))).revision


async def test_a_body_is_a_deployment_request() -> None:
    body = await Packages(Store()).body(application(module=MODULE, config={"fuel": 7, "env": {"A": "b"}}))
    request = DeploymentRequest.from_json(json.loads(body))
    assert (request.module, request.fuel, request.env, request.name) == (MODULE, 7, {"A": "b"}, "blink")
    assert request.generation == 1


async def test_the_revision_depends_only_on_module_and_config() -> None:
    same = await revision(module=MODULE)
    assert await revision(module=MODULE, generation=5, stopped=True) == same
    assert await revision(module=MODULE + b"\0") != same
    assert await revision(module=MODULE, config={"args": ["x"]}) != same


async def test_a_module_is_fetched_once_for_each_generation() -> None:
    store = Store()
    store.modules["r"] = MODULE
    held = Packages(store)
    for generation in (1, 1, 2):
        blink = application(reference="r", generation=generation)
        assert (await held.get(blink)).size == len(MODULE)
        await held.body(blink)
    assert store.asked == 2
    held.forget("uid-blink")
    await held.get(application(reference="r", generation=2))
    assert store.asked == 3


async def test_a_bounded_number_of_bodies_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "BODIES", 2)

    store = Store()
    store.modules["r"] = MODULE
    held = Packages(store)
    for name in ("a", "b", "c"):
        await held.body(application(name, reference="r"))
    await held.get(application("a", reference="r"))
    assert store.asked == 3
    await held.body(application("a", reference="r"))
    assert store.asked == 4


async def test_a_module_that_is_too_large_is_refused() -> None:
    blink = application(module=MODULE)
    blink.raw["spec"]["wasmBytes"] = b64encode(MODULE + bytes(LARGEST_MODULE + 1 - len(MODULE))).decode()
    with pytest.raises(BadModule, match=f"{LARGEST_MODULE + 1} bytes; at most {LARGEST_MODULE}"):
        await Packages(Store()).get(blink)


async def test_a_module_that_is_not_base64_is_refused() -> None:
    blink = application(module=MODULE)
    blink.raw["spec"]["wasmBytes"] = b64encode(MODULE).decode()[:-3]
    with pytest.raises(BadModule, match=r"spec\.wasmBytes: not base64") as caught:
        await Packages(Store()).get(blink)
    assert not caught.value.missing


async def test_a_missing_module_is_marked_as_missing() -> None:
    with pytest.raises(BadModule, match=r"spec\.wasmRef") as caught:
        await revision(reference="r")
    assert caught.value.missing

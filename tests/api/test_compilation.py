"""Compilation over the REST API. The text format needs no compiler of another project."""

from __future__ import annotations

from base64 import b64decode

import pytest

from harness.wasmbed.api.settings import ApiSettings
from harness.wasmbed.compile.results import BoardRoom
from harness.wasmbed.compile.service import CompileSettings
from tests.api.world import World

ROOMS = (BoardRoom("large", 1 << 20, 1 << 20), BoardRoom("none", 0, 0))
GOOD = '(module (import "wasmbed" "clock_ms" (func (result i64))) (memory (export "memory") 1) (func (export "run")))'
BAD = '(module\n  (func (export "run")\n    i32.cnst 1))'


def wat(code: str, **more: str) -> dict[str, str]:
    return {"code": code, "language": "wat", **more}


@pytest.mark.settings(boards=ROOMS)
async def test_a_text_becomes_a_module_that_can_be_deployed(world: World) -> None:
    made = await world.ask("POST", "/api/v1/compile", wat(GOOD), role="operator")
    assert (made["success"], made["imports"], made["boards"]) == (True, ["clock_ms"], ["large"])
    assert made["memory"] == {"minimum": 65_536, "maximum": None}
    assert (made["size"], len(made["sha256"])) == (len(b64decode(made["wasmBytes"])), 64)
    body = {"name": "hello", "wasmBytes": made["wasmBytes"], "targetDevices": {"allDevices": True}}
    await world.ask("POST", "/api/v1/applications", body, status=201)


async def test_no_module_is_kept_for_a_repeated_request(world: World) -> None:
    """Compilers make modules of MiB from a line of text."""
    await world.ask("POST", "/api/v1/compile", wat(GOOD), Idempotency_Key="a")
    await world.ask("POST", "/api/v1/compile", wat(f"{GOOD};;"), Idempotency_Key="a")


async def test_code_that_does_not_compile_is_refused_with_its_places(world: World) -> None:
    problem = await world.ask("POST", "/api/v1/compile", wat(BAD), status=422)
    assert problem["detail"].startswith("the code does not compile: main.wat:3:5: error: unknown operator")
    assert problem["errors"][0]["field"] == "code"
    [diagnostic] = problem["diagnostics"]
    assert (diagnostic["level"], diagnostic["line"], diagnostic["column"]) == ("error", 3, 5)
    assert problem["success"] is False
    assert "i32.cnst 1" in problem["error"]


@pytest.mark.settings(boards=ROOMS)
@pytest.mark.parametrize(
    ("board", "reason"),
    [("none", "none has no WebAssembly runtime"), ("other", "there are no boards of kind other")],
)
async def test_a_board_that_cannot_hold_it_is_refused(world: World, board: str, reason: str) -> None:
    problem = await world.ask("POST", "/api/v1/compile", wat(GOOD, targetBoard=board), status=422)
    assert problem["errors"] == [{"field": "targetBoard", "detail": reason}]
    await world.ask("POST", "/api/v1/compile", wat(GOOD, targetBoard="large"))


@pytest.mark.parametrize("body", [{}, {"code": "", "language": "cobol"}, {"code": 5}, {"code": "", "options": "-O9"}])
async def test_a_request_that_does_not_fit_is_refused(world: World, body: object) -> None:
    await world.ask("POST", "/api/v1/compile", body, status=422)


async def test_a_viewer_reads_templates_and_compiles_nothing(world: World) -> None:
    await world.ask("POST", "/api/v1/compile", wat(GOOD), role="viewer", status=403)
    await world.ask("GET", "/api/v1/templates", role="viewer")
    await world.ask("GET", "/api/v1/templates", role="nobody", status=403)


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        pytest.param(CompileSettings(jobs=0, own=0), 429, id="own"),
        pytest.param(CompileSettings(jobs=0, waiting=0), 503, id="others"),
    ],
)
async def test_a_full_queue_refuses(settings: CompileSettings, status: int) -> None:
    async with World(ApiSettings(compile=settings)).running() as world:
        problem = await world.ask("POST", "/api/v1/compile", wat(GOOD), status=status)
    assert problem["detail"].endswith("wait already; try again")


async def test_code_is_refused_where_there_is_no_sandbox(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.wasmbed.compile.clang.need", lambda *_: "clang")
    monkeypatch.setattr("harness.wasmbed.compile.clang.version_of", _version)
    monkeypatch.setattr("harness.wasmbed.compile.sandbox.shutil.which", lambda _: None)
    problem = await world.ask("POST", "/api/v1/compile", {"code": "", "language": "c"}, status=503)
    assert "c cannot be compiled here: code of other people is not compiled without a sandbox" in problem["detail"]
    assert "install bubblewrap" in problem["detail"]


async def _version(_: object) -> str:
    return "clang"


async def test_templates_are_listed_and_come_with_their_text(world: World) -> None:
    found = (await world.ask("GET", "/api/v1/templates"))["templates"]
    assert [each["name"] for each in found] == ["hello", "blinker", "sensor", "network", "px4"]
    hello = await world.ask("GET", "/api/v1/templates/hello?language=wat")
    made = await world.ask("POST", "/api/v1/compile", wat(hello["code"]))
    assert made["imports"] == ["log"]
    assert (await world.ask("GET", "/api/v1/templates/px4"))["language"] == "rust"
    await world.ask("GET", "/api/v1/templates/px4?language=c", status=404)
    await world.ask("GET", "/api/v1/templates/absent", status=404)

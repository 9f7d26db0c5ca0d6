"""At the edge: exactly what is allowed works, and one more does not; other limits for a module are another run."""

import pytest

from harness.boards.board import Board
from harness.stack import Stack
from harness.stack.applications import ApplicationHandle
from harness.stack.modules import assemble

pytestmark = pytest.mark.requires("wasm")

PAGE = 65_536
PUBLISH = '(import "wasmbed" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))'


async def connected(stack: Stack) -> Board:
    """A board that is Connected."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected")
    return board


async def deployed(stack: Stack, text: str, **limits: int) -> tuple[ApplicationHandle, str]:
    """A module in text on its way to a connected board, and the device's name."""
    board = await connected(stack)
    return await stack.deploy(assemble(text), to=board, name="app", **limits), board.name  # type: ignore[arg-type]


def pages(count: int, body: str = "") -> str:
    """A module that has ``count`` pages from the beginning."""
    return f'(module (memory (export "memory") {count}) (func (export "run") {body}))'


@pytest.mark.requires("gateway-http")
async def test_a_module_that_needs_exactly_its_limit_runs(stack: Stack) -> None:
    """Two pages of memory under a limit of two pages."""
    application, device = await deployed(stack, pages(2), memory=2 * PAGE)
    await application.until(phase="Running")
    assert application.on(device).state == "running"


@pytest.mark.requires("gateway-http")
@pytest.mark.parametrize("limit", [2 * PAGE - 1, PAGE], ids=["a-byte-less", "a-page-less"])
async def test_a_module_that_needs_more_than_its_limit_is_not_sent(stack: Stack, limit: int) -> None:
    """Two pages under a limit that is a byte, or a page, smaller."""
    application, _ = await deployed(stack, pages(2), memory=limit)
    await application.until(phase="Failed", health="unhealthy")
    assert "memory" in (application.status.error or "")
    assert not stack.history.find("Deploy", source="Gateway")


@pytest.mark.requires("gateway-http")
async def test_memory_grows_to_the_limit_and_not_beyond(stack: Stack) -> None:
    """A page more is granted up to the limit; the next growth is refused with -1, and the module goes on."""
    text = f"""(module {PUBLISH} (memory (export "memory") 1)
        (data (i32.const 0) "n") (data (i32.const 8) "0")
        (func (export "run")
            (if (i32.ne (memory.grow (i32.const 1)) (i32.const 1)) (then unreachable))
            (i32.store8 (i32.sub (i32.const {2 * PAGE}) (i32.const 1)) (i32.const 7))
            (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
            (i32.store8 (i32.const 8) (i32.add (i32.const 48) (memory.size)))
            (drop (call $publish (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 1)))))"""
    application, device = await deployed(stack, text, memory=2 * PAGE)
    await application.until_on(device, state="running", output=len)
    assert application.output(device) == [("n", "2")]


@pytest.mark.requires("gateway-http")
async def test_a_trap_after_a_refused_growth_names_the_memory(stack: Stack) -> None:
    """MEMORY_LIMIT where the module broke because it got no more, and TRAP where it broke for another reason."""
    text = pages(1, "(drop (memory.grow (i32.const 9))) unreachable")
    application, device = await deployed(stack, text, memory=2 * PAGE)
    await application.until_on(device, state="error", code="MEMORY_LIMIT")
    other = await stack.deploy(assemble(pages(1, "unreachable")), to=device, name="other", memory=2 * PAGE)
    await other.until_on(device, state="error", code="TRAP")


@pytest.mark.requires("gateway-http")
@pytest.mark.parametrize("address", [PAGE - 4, PAGE - 3], ids=["the-last-word", "a-byte-beyond"])
async def test_memory_ends_where_it_ends(stack: Stack, address: int) -> None:
    """The last word can be written, and a byte beyond is a trap."""
    text = pages(1, f"(i32.store (i32.const {address}) (i32.const 1))")
    application, device = await deployed(stack, text, memory=PAGE)
    if address == PAGE - 4:
        await application.until(phase="Running")
    else:
        await application.until_on(device, state="error", code="TRAP")


@pytest.mark.requires("gateway-http")
@pytest.mark.parametrize(
    "signature", ["(param i32 i32 i32)", "(param i32 i32 i32 i32)", "(param i32 i32 i32 i64) (result i32)"]
)
async def test_an_import_with_another_signature_is_not_sent(stack: Stack, signature: str) -> None:
    """wasmbed.publish takes four i32 and returns one; everything else is refused by name before anything is sent."""
    text = f'(module (import "wasmbed" "publish" (func {signature})) {pages(1)[8:]}'
    application, _ = await deployed(stack, text)
    await application.until(phase="Failed")
    assert "publish" in (application.status.error or "")
    assert not stack.history.find("Deploy", source="Gateway")


@pytest.mark.requires("gateway-http")
@pytest.mark.parametrize("entry", ["(param i32)", "(result i32)"])
async def test_an_entry_that_cannot_be_called_is_not_sent(stack: Stack, entry: str) -> None:
    """The entry takes nothing; what it returns is passed over."""
    body = "(i32.const 1)" if "result" in entry else ""
    text = f'(module (memory (export "memory") 1) (func (export "run") {entry} {body}))'
    application, _ = await deployed(stack, text)
    if "param" in entry:
        await application.until(phase="Failed")
        assert not stack.history.find("Deploy", source="Gateway")
    else:
        await application.until(phase="Running")


@pytest.mark.requires("gateway-http")
async def test_fuel_is_counted_for_each_call(stack: Stack) -> None:
    """A module that ticks ten times under a limit for one call goes on; one call that takes more ends it."""
    text = f"""(module {PUBLISH} (memory (export "memory") 1) (global $n (mut i32) (i32.const 0))
        (data (i32.const 0) "n") (data (i32.const 8) "0")
        (func $work (param $left i32) (loop $more
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $more (i32.gt_s (local.get $left) (i32.const 0)))))
        (func (export "run") (call $work (i32.const 300)))
        (func (export "tick") (result i32)
            (call $work (i32.const 300))
            (global.set $n (i32.add (global.get $n) (i32.const 1)))
            (i32.store8 (i32.const 8) (i32.add (i32.const 48) (global.get $n)))
            (drop (call $publish (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 1)))
            (select (i32.const 0) (i32.const 1) (i32.ge_s (global.get $n) (i32.const 9)))))"""
    application, device = await deployed(stack, text, fuel=20_000)
    await application.until_on(device, state="running", output=lambda output: len(output) == 9, within=20)
    assert application.output(device)[-1] == ("n", "9")
    greedy = assemble(text.replace("(i32.const 300)", "(i32.const 300000)"))
    other = await stack.deploy(greedy, to=device, name="greedy", fuel=20_000)
    await other.until_on(device, state="error", code="OUT_OF_FUEL")


@pytest.mark.requires("gateway-http")
async def test_the_same_module_under_other_limits_is_deployed_again(stack: Stack) -> None:
    """A module gets other limits for memory, fuel and time: it is stopped, sent with the new limits, and runs."""
    board = await connected(stack)
    application = await stack.deploy("idle", to=board, name="app", memory=2 * PAGE, fuel=50_000, time_limit=500)
    await application.until(phase="Running")
    for changed, expected in (
        ({"memoryLimit": 4 * PAGE}, ("memory", 4 * PAGE)),
        ({"fuel": 70_000}, ("fuel", 70_000)),
        ({"timeLimit": 900}, ("wallTime", 900)),
    ):
        before = stack.history.find("Deploy", about="app")[-1]
        generation = application.resource.generation
        await application.redeploy(None, **changed)
        stop = await stack.history.until("Stop", about="app", after=before)
        deploy = await stack.history.until("Deploy", about="app", after=stop)
        assert deploy.data["limits"][expected[0]] == expected[1]
        await application.until(phase="Running", observed_generation=generation + 1)
    assert len(stack.history.find("Deploy", about="app")) == 4


@pytest.mark.requires("gateway-http")
async def test_the_same_spec_again_changes_nothing(stack: Stack) -> None:
    """A write that leaves module and limits as they are deploys nothing."""
    board = await connected(stack)
    application = await stack.deploy("idle", to=board, name="app", fuel=50_000)
    await application.until(phase="Running")
    await application.redeploy(stack.modules("idle"), fuel=50_000)
    await application.redeploy(None, fuel=60_000)
    await application.until(phase="Running", observed_generation=lambda generation: generation >= 2)
    assert [event.data["limits"]["fuel"] for event in stack.history.find("Deploy", about="app")] == [50_000, 60_000]


@pytest.mark.requires("gateway-http")
@pytest.mark.requires("several-applications")
async def test_time_ends_one_call_and_nothing_else(stack: Stack) -> None:
    """An endless loop is cut by its wall time; another application on the board goes on, and so do the heartbeats."""
    board = await connected(stack)
    other = await stack.deploy("idle", to=board, name="other")
    await other.until(phase="Running")
    application = await stack.deploy("endless", to=board, name="app", fuel=1 << 50, time_limit=200)
    await application.until_on(board.name, state="error", code="TIME_LIMIT")
    assert other.on(board.name).state == "running"
    assert stack.device(board).status.phase == "Connected"

"""At the edge: exactly what is allowed works, and one more does not; other limits for a module are another run."""

import pytest

from harness.boards.board import Board
from harness.boards.virtual.applications import MAXIMUM_APPLICATIONS
from harness.boards.virtual.host import MAXIMUM_PUBLICATIONS
from harness.stack import Stack
from harness.stack.applications import ApplicationHandle
from harness.stack.modules import assemble
from harness.wasmbed.runtime.interface import MAXIMUM_PAYLOAD, MAXIMUM_TOPIC
from harness.wasmbed.runtime.limits import DEPLOYMENT_FUEL

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


@pytest.mark.requires("applications", "gateway-http")
async def test_a_module_that_needs_exactly_its_limit_runs(stack: Stack) -> None:
    """Two pages of memory under a limit of two pages."""
    application, device = await deployed(stack, pages(2), memory=2 * PAGE)
    await application.until(phase="Running")
    assert application.on(device).state == "running"


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.parametrize("limit", [2 * PAGE - 1, PAGE], ids=["a-byte-less", "a-page-less"])
async def test_a_module_that_needs_more_than_its_limit_is_not_sent(stack: Stack, limit: int) -> None:
    """Two pages under a limit that is a byte, or a page, smaller."""
    application, _ = await deployed(stack, pages(2), memory=limit)
    await application.until(phase="Failed", health="unhealthy")
    assert "memory" in (application.status.error or "")
    assert not stack.history.find("Deploy", source="Gateway")


@pytest.mark.requires("applications", "gateway-http")
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


@pytest.mark.requires("applications", "gateway-http")
async def test_a_trap_after_a_refused_growth_names_the_memory(stack: Stack) -> None:
    """MEMORY_LIMIT where the module broke because it got no more, and TRAP where it broke for another reason."""
    text = pages(1, "(drop (memory.grow (i32.const 9))) unreachable")
    application, device = await deployed(stack, text, memory=2 * PAGE)
    await application.until_on(device, state="error", code="MEMORY_LIMIT")
    other = await stack.deploy(assemble(pages(1, "unreachable")), to=device, name="other", memory=2 * PAGE)
    await other.until_on(device, state="error", code="TRAP")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_refused_growth_explains_a_trap_in_its_own_call_only(stack: Stack) -> None:
    """A module gets no more memory in one call and breaks in the next one: that is a TRAP."""
    text = """(module (memory (export "memory") 1) (func (export "run") (drop (memory.grow (i32.const 9))))
        (func (export "tick") (result i32) unreachable))"""
    application, device = await deployed(stack, text, memory=2 * PAGE)
    await application.until_on(device, state="error", code="TRAP")


@pytest.mark.requires("applications", "gateway-http")
async def test_a_start_function_has_the_fuel_of_a_deployment(stack: Stack) -> None:
    """Its calls may take ten times as much: the deployment fails where loading takes more than that."""
    text = f"""(module (memory (export "memory") 1) (func (export "run"))
        (func $work (local $left i32) (local.set $left (i32.const {DEPLOYMENT_FUEL})) (loop $more
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if $more (local.get $left))))
        (start $work))"""
    application, device = await deployed(stack, text, fuel=10 * DEPLOYMENT_FUEL)
    await application.until_on(device, state="failed", code="OUT_OF_FUEL", within=30)


@pytest.mark.requires("applications", "gateway-http")
async def test_an_argument_is_copied_as_far_as_there_is_room_and_measured_whole(stack: Stack) -> None:
    """Five bytes where there is room for two: two are written, and five is what the module gets to know."""
    text = """(module (import "wasmbed" "argument" (func $argument (param i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "run")
            (if (i32.ne (call $argument (i32.const 0) (i32.const 0) (i32.const 2)) (i32.const 5)) (then unreachable))
            (if (i32.ne (i32.load (i32.const 0)) (i32.const 0x6568)) (then unreachable))
            (if (i32.ne (call $argument (i32.const 1) (i32.const 0) (i32.const 2)) (i32.const -1))
                (then unreachable))))"""
    board = await connected(stack)
    application = await stack.deploy(assemble(text), to=board, name="app", args=["hello"])
    await stack.history.until("ApplicationStatus", source="Device", about="app", state="running")
    await application.until_on(board.name, state="running")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.parametrize("address", [PAGE - 4, PAGE - 3], ids=["the-last-word", "a-byte-beyond"])
async def test_memory_ends_where_it_ends(stack: Stack, address: int) -> None:
    """The last word can be written, and a byte beyond is a trap."""
    text = pages(1, f"(i32.store (i32.const {address}) (i32.const 1))")
    application, device = await deployed(stack, text, memory=PAGE)
    if address == PAGE - 4:
        await application.until(phase="Running")
    else:
        await application.until_on(device, state="error", code="TRAP")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.parametrize("length", [4, 5, PAGE], ids=["to-the-last-byte", "a-byte-beyond", "far-beyond"])
async def test_a_range_for_the_host_ends_inside_the_memory(stack: Stack, length: int) -> None:
    """The host reads up to the last byte; a range that begins inside and ends outside is a trap."""
    text = f"""(module {PUBLISH} (memory (export "memory") 1) (data (i32.const 0) "n")
        (func (export "run")
            (drop (call $publish (i32.const 0) (i32.const 1) (i32.const {PAGE - 4}) (i32.const {length})))))"""
    application, device = await deployed(stack, text, memory=PAGE)
    if length == 4:
        await application.until_on(device, state="running", output=len)
    else:
        await application.until_on(device, state="error", code="TRAP")


@pytest.mark.requires("applications", "gateway-http")
async def test_the_fuel_that_is_reported_is_what_was_used(stack: Stack) -> None:
    """The same work with twice the fuel uses as much, and less than there was."""
    board, used = await connected(stack), []
    for fuel in (100_000, 200_000):
        application = await stack.deploy(assemble(pages(1)), to=board, name=f"with-{fuel}", fuel=fuel)
        await application.until_on(board.name, state="running", metrics=lambda found: "fuel_used" in found)
        reported = await stack.history.until("ApplicationStatus", about=application.name, source="Device")
        used.append(reported.data["metrics"]["fuel_used"])
    assert used[0] == used[1]
    assert used[0] < 100_000


@pytest.mark.requires("applications", "gateway-http")
async def test_a_topic_and_a_payload_may_have_their_whole_size(stack: Stack) -> None:
    """A publication of exactly the largest topic and payload is taken; with a byte more of either it is refused."""
    sizes = [(MAXIMUM_TOPIC, MAXIMUM_PAYLOAD), (MAXIMUM_TOPIC + 1, 1), (1, MAXIMUM_PAYLOAD + 1), (0, 1)]
    calls = "".join(
        f"(if (i32.ne (call $publish (i32.const 0) (i32.const {topic}) (i32.const 0) (i32.const {payload}))"
        f" (i32.const {0 if number == 0 else -1})) (then unreachable))"
        for number, (topic, payload) in enumerate(sizes)
    )
    letters = "n" * (MAXIMUM_PAYLOAD + 1)
    text = f"""(module {PUBLISH} (memory (export "memory") 1) (data (i32.const 0) "{letters}")
        (func (export "run") {calls}))"""
    application, device = await deployed(stack, text, memory=PAGE)
    await application.until_on(device, state="running", output=len)
    assert [(len(topic), len(payload)) for topic, payload in application.output(device)] == sizes[:1]


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.stack(boards="virtual")
async def test_a_board_keeps_as_many_publications_as_it_says(stack: Stack) -> None:
    """A call publishes what the board keeps, and once more: the last is refused, and the module goes on."""
    text = f"""(module {PUBLISH} (memory (export "memory") 1) (data (i32.const 0) "n")
        (func $publish_one (result i32) (call $publish (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)))
        (func (export "run") (local $left i32) (local.set $left (i32.const {MAXIMUM_PUBLICATIONS}))
            (loop $more
                (if (call $publish_one) (then unreachable))
                (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                (br_if $more (local.get $left)))
            (if (i32.ne (call $publish_one) (i32.const -1)) (then unreachable))))"""
    application, device = await deployed(stack, text)
    status = await stack.history.until("ApplicationStatus", source="Device", about="app", state="running")
    assert len(status.data["publications"]) == MAXIMUM_PUBLICATIONS
    await application.until_on(device, state="running")


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.stack(boards="virtual")
async def test_a_board_holds_as_many_applications_as_it_says(stack: Stack) -> None:
    """Eight run at the same time; the ninth is refused and says why, and takes no other's place."""
    board = await connected(stack)
    applications = [
        await stack.deploy("idle", to=board, name=f"app-{number}") for number in range(MAXIMUM_APPLICATIONS)
    ]
    for application in applications:
        await application.until(phase="Running", within=30)
    ninth = await stack.deploy("idle", to=board, name="ninth")
    await ninth.until_on(board.name, state="failed", code="TOO_MANY_APPLICATIONS", within=30)
    assert {application.status.phase for application in applications} == {"Running"}


@pytest.mark.requires("applications", "gateway-http")
async def test_a_call_ends_at_its_time(stack: Stack) -> None:
    """A second is a second, and not ten: the invariant compares the time of the call with its limit."""
    text = pages(1, "(loop (br 0))")
    application, device = await deployed(stack, text, time_limit=1000, fuel=10**15)
    await application.until_on(device, state="error", code="TIME_LIMIT", within=60)


@pytest.mark.requires("applications", "gateway-http")
@pytest.mark.parametrize(
    "signature", ["(param i32 i32 i32)", "(param i32 i32 i32 i32)", "(param i32 i32 i32 i64) (result i32)"]
)
async def test_an_import_with_another_signature_is_not_sent(stack: Stack, signature: str) -> None:
    """wasmbed.publish takes four i32 and returns one; everything else is refused by name before anything is sent."""
    text = f'(module (import "wasmbed" "publish" (func {signature})) {pages(1)[8:]}'
    application, _ = await deployed(stack, text)
    await application.until(phase="Failed")
    assert not stack.history.find("Deploy", source="Gateway")
    assert "publish" in (application.status.error or "")


@pytest.mark.requires("applications", "gateway-http")
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


@pytest.mark.requires("applications", "gateway-http")
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


@pytest.mark.requires("applications", "gateway-http")
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


@pytest.mark.requires("applications", "gateway-http")
async def test_the_same_spec_again_changes_nothing(stack: Stack) -> None:
    """A write that leaves module and limits as they are deploys nothing."""
    board = await connected(stack)
    application = await stack.deploy("idle", to=board, name="app", fuel=50_000)
    await application.until(phase="Running")
    await application.redeploy(stack.modules("idle"), fuel=50_000)
    await application.redeploy(None, fuel=60_000)
    await stack.history.until("Deploy", about="app", limits=lambda limits: limits["fuel"] == 60_000)
    await application.until(phase="Running", observed_generation=lambda generation: generation >= 2)
    assert [event.data["limits"]["fuel"] for event in stack.history.find("Deploy", about="app")] == [50_000, 60_000]


@pytest.mark.requires("applications", "gateway-http")
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

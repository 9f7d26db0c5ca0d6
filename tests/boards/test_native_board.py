"""Native boards: the contract of every board, and what only they have: many boards of one process that depend on
nothing but what they are given."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from harness.boards.board import BoardEnvironment, BoardSettings, Credentials, Power
from harness.boards.native import NativeTier
from harness.boards.native.library import GET_IT, NEVER, Node
from harness.boards.platform import IMAGES_VARIABLE
from harness.boards.provisioning import provisioning_blob
from harness.core.clock import ManualClock, SystemClock
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.stack import Stack, StackOptions
from harness.testing.bench import Bench
from harness.testing.board import BOARD_CHECKS, Expectations, check_board
from harness.testing.compare import require_alike
from harness.wasmbed.pki.keys import Algorithm, generate_key, private_key_der
from harness.wasmbed.pki.server_authorities import ServerAuthorities
from tests.testing.test_tiers import played

MISSING = NativeTier.unavailable()
needs_library = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
KEY = private_key_der(generate_key(Algorithm.P256))


def settings(**changes: object) -> BoardSettings:
    authority = ServerAuthorities("servers", SystemClock()).certificates
    credentials = Credentials(authority, KEY, pairing_token="token")
    return BoardSettings("b", credentials, ("127.0.0.1", 9), "localhost", **changes)  # type: ignore[arg-type]


BLOB = provisioning_blob(settings(), BoardEnvironment(ManualClock(), SystemNetwork(), Randomness(1)))


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    tier = NativeTier()
    environment = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness())
    made = Bench(
        "pump-1",
        lambda given, around: tier.make("native", given, around),
        environment,
        Expectations(patience=120.0, heartbeat=30.0),
        Algorithm.P256,
    )
    try:
        async with made.open():
            yield made
    finally:
        await tier.close()


@needs_library
async def test_the_whole_kit() -> None:
    tier, found = NativeTier(), dict[str, str]()
    try:
        await check_board(
            lambda given, around: tier.make("native", given, around),
            at_once=len(BOARD_CHECKS),
            expectations=Expectations(patience=120, heartbeat=2.0),
            progress=found.__setitem__,
        )
    finally:
        await tier.close()
    assert found == dict.fromkeys(BOARD_CHECKS, "passed")


@needs_library
@pytest.mark.parametrize("certificate", ["valid", "request"])
async def test_its_history_is_that_of_a_virtual_board(certificate: str) -> None:
    virtual, native = [await played(kind, certificate=certificate) for kind in ("virtual", "native")]
    require_alike(virtual, native, ("virtual", "native"))


def lived(seed: int) -> list[tuple[int, bytes, bytes, int]]:
    """The steps of a board that connects, is refused, tries again, gets noise, is reset and loses its power."""
    node, now, steps = Node(), 0, []
    for boot in range(2):
        node.power_on(BLOB, seed + boot)
        for turn in range(40):
            arrived = {3: b"\x10\x4f", 5: b"noise" * 300, 9: b"\x10\x43"}.get(turn, b"")
            step = node.step(now, arrived)
            steps.append((step.wake, step.sent, step.written, step.unread))
            now = max(now + 1, min(step.wake, now + 60_000))
            if turn == 20:
                node.reset()
        node.cut_power()
    node.close()
    return steps


@needs_library
def test_one_seed_and_one_sequence_of_steps_make_the_same_bytes() -> None:
    first = lived(5)
    assert sum(len(sent) for _, sent, _, _ in first) > 300
    assert b"reset=external" in b"".join(written for _, _, written, _ in first)
    assert lived(5) == first
    assert lived(6) != first


@needs_library
def test_boards_of_one_process_do_not_affect_each_other() -> None:
    alone, nodes = Node(), [Node() for _ in range(20)]
    for node in (alone, *nodes):
        node.power_on(BLOB, 1)
    expected = [alone.step(now) for now in range(0, 5000, 100)]
    steps = [[node.step(now) for node in nodes] for now in range(0, 5000, 100)]
    assert all(step == wanted for several, wanted in zip(steps, expected, strict=True) for step in several)


@needs_library
def test_a_board_sleeps_until_its_time_and_without_power_for_ever() -> None:
    node = Node()
    assert node.step(0).wake == NEVER
    node.power_on(BLOB, 1)
    step = node.step(1000)
    assert b"BOOT board=native firmware=" in step.written
    assert step.sent == b"\x10\x43\x10\x4f"
    assert 1000 < step.wake <= 6000
    node.cut_power()
    gone = node.step(2000, b"bytes")
    assert (gone.wake, gone.sent, gone.written, gone.unread) == (NEVER, b"", b"", 0)


@needs_library
def test_a_line_that_is_held_takes_nothing() -> None:
    node = Node()
    node.power_on(BLOB, 1)
    assert node.step(0, is_held=True).sent == b""
    assert node.step(2000).sent.startswith(b"\x10")


@needs_library
@pytest.mark.parametrize("cause", ["panic", "heap-exhaustion"])
async def test_a_crash_ends_the_board_alone_and_is_a_fault_with_its_cause(cause: str) -> None:
    async with Stack(StackOptions(boards="native")) as stack:
        other = await stack.boards.power_on("native")
        await stack.device(other).until(phase="Connected", within=60)
        board = await stack.boards.power_on("native", name="fails", self_test=cause)
        await stack.device(board).until(phase="Connected", within=60)
        assert board.console.lines[0].endswith("reset=power-on boots=0")
        await board.console.until(rf"^BOOT board=native .* reset={cause} boots=1$")
        (event,) = [event for event in stack.history if event.name == "Crash"]
        assert (event.data["device"], event.data["cause"]) == ("fails", cause)
        assert re.search(r"\.rs:\d+: (provoked|memory allocation of \d+ bytes failed)", event.data["message"])
        await stack.device(other).until(phase="Connected")
        assert not list(stack.history.find("LinkClosed", about=other.name))


@needs_library
def test_a_board_with_a_damaged_blob_halts() -> None:
    node = Node()
    node.power_on(BLOB[:-1], 1)
    step = node.step(0)
    assert b"HALT the provisioning blob is" in step.written
    assert step.wake == NEVER


@needs_library
async def test_unusable_credentials_are_the_rigs_failure() -> None:
    tier = NativeTier()
    environment = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness())
    given = settings()
    wrong = Credentials(given.credentials.authority, private_key_der(generate_key(Algorithm.ED25519)))
    board = tier.make("native", BoardSettings("b", wrong, ("127.0.0.1", 9), "localhost"), environment)
    with pytest.raises(RigError, match="the firmware halted: the private key is not P-256"):
        await board.power_on()
    assert board.power is Power.OFF
    await tier.close()


@needs_library
async def test_what_would_end_or_stop_this_process_is_refused() -> None:
    tier = NativeTier()
    environment = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness())
    for fault in ("hang", "stack-overflow", "hard-fault"):
        with pytest.raises(UsageError, match=f"the self-test '{fault}' would end or stop this process"):
            await tier.make("native", settings(self_test=fault), environment).power_on()
    for other in ("ethernet", "plain-serial"):
        with pytest.raises(UsageError, match=f"a native board cannot have the link '{other}'"):
            tier.make("native", settings(link=other), environment)
    with pytest.raises(UsageError, match="no board kind 'quantum'"):
        tier.make("quantum", settings(), environment)


@needs_library
async def test_a_paused_board_loses_no_time() -> None:
    async with bench() as made:
        peer = await made.connected()
        await peer.enroll(made.randomness.uuid())
        await made.board.pause()
        await made.board.pause()
        await made.gateway.silence(0.3)
        await made.board.resume()
        await made.board.power_off()
        await peer.until_closed()
        with pytest.raises(UsageError, match="the board is off"):
            await made.board.pause()


def test_a_library_that_was_not_built_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
    assert NativeTier.unavailable() == f"there is no wasmbed-native.so in {tmp_path}; {GET_IT}"
    with pytest.raises(RigError, match="cannot be loaded"):
        Node()

"""The kit for boards: the virtual board passes, and a defective board fails the check of its defect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Power
from harness.boards.virtual import Backoff, VirtualBoard, VirtualTier, uplink
from harness.boards.virtual.applications import Applications
from harness.boards.virtual.flash import Flash
from harness.boards.virtual.reception import Reception
from harness.boards.virtual.session import BoardSession
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.testing.board import BOARD_CHECKS, BoardFactory, Expectations, check_board, run_board_check
from harness.wasmbed.protocol.messages import DeploymentResult, StopResult
from harness.wasmbed.runtime.interface import LogLevel

HURRY = Expectations(patience=2.0, heartbeat=0.2)


@pytest.fixture
async def tier() -> AsyncIterator[VirtualTier]:
    """The virtual tier, with short pauses between attempts to connect."""
    tier = VirtualTier(backoff=Backoff(first=0.1))
    yield tier
    await tier.close()


def made_by(tier: VirtualTier) -> BoardFactory:
    return lambda settings, environment: tier.make("virtual", settings, environment)


async def test_the_virtual_board_passes(tier: VirtualTier) -> None:
    outcomes: dict[str, str] = {}
    await check_board(made_by(tier), at_once=10, progress=outcomes.__setitem__)
    assert outcomes == dict.fromkeys(BOARD_CHECKS, "passed")


async def fails(check: str) -> str:
    """Return the kit's message about a virtual board that fails ``check``."""
    tier = VirtualTier(backoff=Backoff(first=0.05, longest=0.2))
    try:
        with pytest.raises(ProductFailure) as caught:
            await check_board(made_by(tier), only=[check], expectations=HURRY)
    finally:
        await tier.close()
    assert f"1 of 1 board checks failed: {check}" in str(caught.value)
    return str(caught.value)


# Each test breaks one behaviour of the virtual board, and names the check that has to fail.


async def test_a_board_that_stays_on_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ignored(self: VirtualBoard) -> None: ...

    monkeypatch.setattr(VirtualBoard, "power_off", ignored)
    words = await fails("boots_and_switches_off")
    assert "the board is on after power_off" in words
    assert "enrollment: requested" in words, "the console's last lines belong to the verdict"


async def test_a_certificate_that_does_not_survive_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def store(self: Flash, certificate: bytes) -> None: ...

    monkeypatch.setattr(Flash, "store", store)
    assert "the board came back without the issued certificate" in await fails("enrolls_with_signing_request")


async def test_a_board_that_ignores_retry_after_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "reconnect_delay", lambda backoff, failures, retry_after, randomness: 0.01)
    assert "asked the board to wait 1.5 s" in await fails("waits_when_told_to")


async def test_a_board_that_hammers_the_gateway_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "reconnect_delay", lambda backoff, failures, retry_after, randomness: 0.2)
    assert "the pauses were" in await fails("comes_back_slower_and_slower")


async def test_a_heartbeat_that_is_too_fast_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolled = BoardSession._enrolled

    def hasty(self: BoardSession, response: Any, message_id: int) -> None:
        enrolled(self, replace(response, heartbeat_interval=response.heartbeat_interval // 10), message_id)

    monkeypatch.setattr(BoardSession, "_enrolled", hasty)
    assert "the board's gaps were" in await fails("keeps_its_heartbeat")


async def test_a_board_that_waits_for_a_dead_gateway_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.boards.virtual.session.MISSED_HEARTBEATS", 10_000)
    assert "did not end the connection" in await fails("gives_up_a_silent_gateway")


async def test_a_task_left_after_a_power_cut_is_noticed(tier: VirtualTier, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[asyncio.Task[None]] = []

    async def leaking(self: VirtualBoard) -> None:
        started.append(asyncio.create_task(self._environment.clock.sleep(1), name="forgotten"))
        await self._halt(orderly=False)

    monkeypatch.setattr(VirtualBoard, "cut_power", leaking)
    with pytest.raises(ProductFailure, match="the board left tasks: forgotten"):
        await run_board_check("leaves_nothing_without_power", made_by(tier), expectations=HURRY)
    await asyncio.gather(*started)


async def test_trust_in_anybody_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    import ssl

    def gullible(self: VirtualTier, *_: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    monkeypatch.setattr(VirtualTier, "_context", gullible)
    assert "no handshake failed" in await fails("refuses_an_unknown_authority")
    assert "did not present its certificate" in await fails("authenticates_with_tls_1_3")


async def test_a_board_that_believes_any_hash_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    add = Reception.add

    def believing(self: Reception, chunk: Any) -> bytes | None:
        import hashlib

        data = bytes(self._data) + chunk.data
        self.deploy = replace(self.deploy, sha256=hashlib.sha256(data).digest())
        return add(self, chunk)

    monkeypatch.setattr(Reception, "add", believing)
    assert "the board accepted" in await fails("refuses_what_it_cannot_run")


async def test_an_application_that_cannot_be_stopped_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stop(self: Applications, message: Any, message_id: int) -> None:
        self._board.send(StopResult(message.application_id, ok=False, error="no"), message_id)

    monkeypatch.setattr(Applications, "stop", stop)
    assert "stopping gave" in await fails("stops")


async def test_a_reply_with_another_id_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    send = BoardSession.send

    def confused(self: BoardSession, message: Any, message_id: int | None = None) -> bool:
        return send(self, message, None if isinstance(message, DeploymentResult) else message_id)

    monkeypatch.setattr(BoardSession, "send", confused)
    assert "DeploymentResult to" in await fails("runs_and_publishes")


# What is not the board's fault, and what does not apply.


class Absent(VirtualBoard):
    """A board that cannot be started."""

    async def power_on(self) -> None:
        raise RigError("no board answers", do="plug it in")


class Plain(VirtualBoard):
    """A board with only the feature ``tls``."""

    features: ClassVar[frozenset[str]] = frozenset({"tls"})


def variant(tier: VirtualTier, kind: type[VirtualBoard]) -> BoardFactory:
    """Return a factory of boards of that class."""

    def make(settings: BoardSettings, environment: BoardEnvironment) -> Board:
        return kind(
            settings,
            environment,
            tier._runtime,
            tier._context,
            Backoff(first=0.05),
            LogLevel.INFO,
        )

    return make


async def test_a_board_that_cannot_be_started_is_not_judged(tier: VirtualTier) -> None:
    outcomes: dict[str, str] = {}
    with pytest.raises(RigError, match=r"1 board checks could not be run\n.*no board answers"):
        await check_board(variant(tier, Absent), only=["boots_and_switches_off"], progress=outcomes.__setitem__)
    assert outcomes == {"boots_and_switches_off": "not run"}


async def test_checks_that_do_not_apply_are_skipped(tier: VirtualTier) -> None:
    outcomes: dict[str, str] = {}
    names = ["enrolls_with_certificate", "enrolls_with_signing_request", "restarts_with_its_identity", "stops"]
    await check_board(variant(tier, Plain), only=names, progress=outcomes.__setitem__)
    assert outcomes == {
        "enrolls_with_certificate": "passed",
        "enrolls_with_signing_request": "skipped",
        "restarts_with_its_identity": "skipped",
        "stops": "skipped",
    }


async def test_an_unknown_check_is_refused_before_any_check_runs(tier: VirtualTier) -> None:
    with pytest.raises(UsageError, match="the checks are boots_and_switches_off"):
        await run_board_check("flies", made_by(tier))
    outcomes: dict[str, str] = {}
    with pytest.raises(UsageError, match="unknown check 'flies'"):
        await check_board(made_by(tier), only=["boots_and_switches_off", "flies"], progress=outcomes.__setitem__)
    assert outcomes == {}, "nothing is run, nor left running"


def test_every_check_has_a_summary() -> None:
    assert len(BOARD_CHECKS) >= 28
    for name, check in BOARD_CHECKS.items():
        assert check.name == name
        assert check.summary.endswith(".")
        assert check.features <= VirtualBoard.features
    assert Power.ON != Power.OFF

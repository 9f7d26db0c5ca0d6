"""For each executable sequence a life of boards that goes through it, and comes to its end also after a fault.

A life is written as by somebody who knows nothing of the fault: each step waits for what it needs, for as long as a
platform takes to recover. At the end of each, resources, sessions and boards agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from harness.boards.board import Board
from harness.explore.life import HEARTBEAT, PATIENCE, Life

__all__ = ["HEARTBEAT", "LIVES", "Life"]

FINAL = ("Running", "Stopped", "Failed", "Error")


async def enrolls(life: Life) -> None:
    board = await life.board()
    await life.stack.clock.sleep(25)  # two more heartbeats
    life.boards.remove(board)
    await board.power_off()
    await life.stack.device(board).until(phase="Disconnected", within=PATIENCE)
    await life.stack.faults.settled()
    await board.power_off()  # a fault may have begun before it was off, and have switched it on again


async def enrolls_by_request(life: Life) -> None:
    board = await life.stack.boards.power_on(certificate="request")
    if await _pairs(life, board):
        life.boards.append(board)
        await board.reset()
        await life.stack.clock.sleep(5 * HEARTBEAT)  # so that the phase is one of the time after the reset
        if await _pairs(life, board):
            return
        life.boards.remove(board)
    # The token is spent before the certificate is stored: a board that lost it needs another token.
    await board.power_off()
    again = await life.board(certificate="request", name="paired-again")
    await again.reset()
    await life.connected(again)


async def _pairs(life: Life, board: Board) -> bool:
    """Whether a board comes to be Connected; otherwise it needs another pairing token."""
    history, connected = life.stack.history, asyncio.ensure_future(life.connected(board))
    spent = asyncio.ensure_future(
        history.until("Error", about=board.name, message=lambda text: "token" in str(text), within=10 * PATIENCE)
    )
    await asyncio.wait([spent, connected], return_when=asyncio.FIRST_COMPLETED)
    for each in (spent, connected):
        each.cancel()
    if spent.done() and not spent.cancelled():
        return False
    await connected
    return True


async def is_refused(life: Life) -> None:
    board = await life.stack.boards.power_on(device_type="toaster")
    await life.stack.history.until("Error", about=board.name, source="Gateway", within=PATIENCE)
    await board.power_off()


async def has_an_expired_certificate(life: Life) -> None:
    board = await life.stack.boards.power_on(certificate="expired")
    await life.stack.history.until("Error", about=board.name, source="Gateway", within=PATIENCE)
    await life.stack.faults.settled()
    await board.power_off()


async def is_revoked(life: Life) -> None:
    stack = life.stack
    board = await life.board()
    other = await life.board()
    life.boards.remove(board)
    await stack.faults.settled()  # a gateway that is away loads no list
    await stack.pki.revoke(stack.boards.credentials(board))
    await stack.history.until("Error", about=board.name, source="Gateway", within=PATIENCE)
    await stack.device(board).until(phase="Disconnected", within=PATIENCE)
    await board.power_off()
    await life.connected(other)


async def loses_its_link(life: Life) -> None:
    board = await life.board()
    device = life.stack.device(board)
    await board.cut_link()
    await device.until(phase="Disconnected", within=PATIENCE)
    await board.restore_link()
    await life.connected(board)
    await life.stack.faults.settled()
    await board.reset()
    await life.stack.history.until("EnrollmentRequest", about=board.name, within=PATIENCE)
    await life.connected(board)
    await board.cut_power()
    await device.until(phase="Disconnected", within=PATIENCE)
    await board.power_on()


async def is_deleted(life: Life) -> None:
    board = await life.board()
    device = life.stack.device(board)
    before = device.resource.raw["metadata"]["uid"]
    await device.delete()
    await device.wait(
        lambda found: found is not None and found["metadata"]["uid"] != before, "another Device", PATIENCE
    )
    await life.connected(board)


async def runs_an_application(life: Life) -> None:
    board = await life.board()
    application = await life.deployed("thermometer", board)
    await life.stack.clock.sleep(25)
    await application.stop()
    life.applications[application.name] = ("Stopped",)
    await application.until(phase="Stopped", within=PATIENCE)
    await application.start()
    await life.reaches(application, "Running")
    await life.gone(application)


async def runs_one_to_its_end(life: Life) -> None:
    board = await life.board()
    await life.deployed("hello", board, "Running")
    await life.deployed("idle", board, "Running")


async def cannot_take_it(life: Life) -> None:
    board = await life.board()
    await life.deployed("hungry", board, "Failed", memory=1 << 20)
    await life.deployed("missing_import", board, "Failed")


async def breaks(life: Life) -> None:
    board = await life.board()
    await life.deployed("trap", board, "Error")
    await life.deployed("endless", board, "Error")


async def is_cancelled(life: Life) -> None:
    stack = life.stack
    board = await life.board()
    module = stack.modules("hello")
    size = 200_000 - len(module) - 8
    padding = bytes((0, *_leb(size + 1), 0)) + bytes(size)  # a custom section (WebAssembly, section 5.5.3)
    application = await stack.deploy(module + padding, to=board, name="heavy")
    life.applications["heavy"] = ("Running", *FINAL)
    await stack.history.until("ModuleChunk", about="heavy", within=PATIENCE)
    await life.gone(application)


def _leb(value: int) -> bytes:
    """An unsigned LEB128."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


async def has_a_gateway_that_drains(life: Life) -> None:
    gateway = life.stack.gateway
    board = await life.board()
    await life.deployed("hello", board)
    await gateway.stop()
    await life.stack.faults.settled()
    if not gateway.running:
        await gateway.start()
    await life.connected(board)


async def has_two_gateways(life: Life) -> None:
    stack = life.stack
    other = await stack.add_gateway("gateway-2")
    board = await life.board(name="first")  # its home is the first gateway
    await life.deployed("hello", board)
    stack.boards.gateway = other.endpoint
    second = await life.board(name="right")  # its home is the second one
    await other.kill()
    await stack.device(second).until(phase="Disconnected", within=PATIENCE)
    await stack.faults.settled()
    if not other.running:
        await other.start()
    await life.connected(second)


async def is_sent_home(life: Life) -> None:
    stack = life.stack
    await stack.add_gateway("gateway-2")
    board = await life.board(name="right")  # its home is the second gateway; it enrolls with the first
    await life.deployed("hello", board)
    await life.connected(board)
    await stack.faults.settled()
    sent = stack.history.find("EnrollmentResponse", about=board.name)[-1]
    await board.reset()
    await stack.history.until("EnrollmentResponse", about=board.name, after=sent, within=PATIENCE)
    await life.connected(board)


LIVES: dict[str, Callable[[Life], Awaitable[None]]] = {
    "application-deployment": runs_an_application,
    "application-monitoring": runs_an_application,
    "application-stop": runs_an_application,
    "certificate-invalid": has_an_expired_certificate,
    "certificate-renewed": is_revoked,
    "connection-establishment": loses_its_link,
    "connection-lost": loses_its_link,
    "deployment-failure": cannot_take_it,
    "device-connection": enrolls,
    "device-deleted": is_deleted,
    "device-enrollment": enrolls,
    "device-enrollment-by-request": enrolls_by_request,
    "device-reassigned": is_sent_home,
    "device-resumed": loses_its_link,
    "device-revoked": is_revoked,
    "enrollment-failure": is_refused,
    "execution-on-device": runs_one_to_its_end,
    "gateway-drained": has_a_gateway_that_drains,
    "gateway-failover": has_two_gateways,
    "heartbeat-and-monitoring": enrolls,
    "runtime-error": breaks,
    "transfer-cancelled": is_cancelled,
}
"""By sequence. One whose arrows do not all come is one of rare arrows: those need another board than a real one."""

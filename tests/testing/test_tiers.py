"""The same scenario has equal histories on a virtual board and on real firmware."""

from __future__ import annotations

import pytest

from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from harness.boards.renode import RenodeTier
from harness.boards.renode.platform import find_renode_platforms
from harness.core.history import Event
from harness.stack import Stack, StackOptions
from harness.testing.compare import difference, require_alike
from tests.loops import harness_loop

KIND = "mps2-an385"
IMAGE = find_platforms("qemu-system-arm")[KIND].image_path
MISSING = QemuTier.unavailable() or (None if IMAGE.exists() else f"no image of {KIND}: `make firmware`")
pytestmark = [pytest.mark.system("QEMU"), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]


new_loop = pytest.fixture(harness_loop, name="new_loop")


async def played(
    kind: str, *, certificate: str = "valid", module: str = "hello", outcome: str = "Running"
) -> list[Event]:
    """Enrollment, deployment, stop, and power-off of a board of that kind; returns the history."""
    async with Stack(StackOptions()) as stack:
        board = await stack.boards.power_on(kind, certificate=certificate)
        device = await stack.device(board).until(phase="Connected", within=20)
        application = await stack.deploy(module, to=board)
        await application.until(phase=outcome, within=20)
        if outcome == "Running":
            await application.until_on(device.name, state="running")
            await application.stop()
            await application.until(phase="Stopped")
        await application.delete()
        await application.until_gone()
        await board.cut_link()
        await device.until(phase="Disconnected")
        await board.restore_link()
        await device.until(phase="Connected", within=20)
        await board.power_off()
        await device.until(phase="Disconnected")
        return list(stack.history)


@pytest.mark.parametrize("certificate", ["valid", "request"])
async def test_enrollment_deployment_and_stop(certificate: str) -> None:
    virtual, emulated = [await played(kind, certificate=certificate) for kind in ("virtual", KIND)]
    require_alike(virtual, emulated, ("virtual", KIND))


@pytest.mark.parametrize(("module", "outcome"), [("trap", "Error"), ("missing_import", "Failed")])
async def test_failures_are_alike(module: str, outcome: str) -> None:
    virtual, emulated = [await played(kind, module=module, outcome=outcome) for kind in ("virtual", KIND)]
    require_alike(virtual, emulated, ("virtual", KIND))


async def test_a_different_history_is_recognised() -> None:
    virtual, emulated = await played("virtual"), await played(KIND, module="trap", outcome="Error")
    shown = difference(virtual, emulated, ("virtual", KIND))
    assert "-    Running" in shown
    assert "+    RuntimeFault on device 1" in shown


RENODE = [name for name, kind in find_renode_platforms().items() if kind.platform.refused is None]
NO_RENODE = RenodeTier.unavailable()


@pytest.mark.skipif(NO_RENODE is not None, reason=str(NO_RENODE))
@pytest.mark.parametrize("kind", RENODE)
async def test_renode_qemu_and_virtual_boards_have_equal_histories(kind: str) -> None:
    if not find_renode_platforms()[kind].platform.image_path.exists():
        pytest.skip(f"no image of {kind}: `make firmware`")
    virtual, emulated, in_renode = [await played(each) for each in ("virtual", KIND, kind)]
    require_alike(virtual, in_renode, ("virtual", kind))
    require_alike(emulated, in_renode, (KIND, kind))


@pytest.mark.skipif(NO_RENODE is not None, reason=str(NO_RENODE))
@pytest.mark.parametrize(("module", "outcome"), [("trap", "Error"), ("missing_import", "Failed")])
async def test_failures_in_renode_are_alike(module: str, outcome: str) -> None:
    virtual, in_renode = [await played(each, module=module, outcome=outcome) for each in ("virtual", RENODE[0])]
    require_alike(virtual, in_renode, ("virtual", RENODE[0]))

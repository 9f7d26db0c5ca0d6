"""Sensors whose values come from outside, and the output pins that applications set."""

import pytest

from harness.core.errors import UsageError
from harness.stack import Stack
from harness.stack.applications import ApplicationHandle

pytestmark = pytest.mark.requires("wasm", "applications", "sensors", "gateway-http")

PATIENCE = 60.0


async def readings(thermometer: ApplicationHandle, device: str) -> list[int]:
    """The three readings that the module publishes, in thousandths of a degree."""
    await thermometer.until_on(device, within=PATIENCE, output=lambda output: len(output) == 3)
    return [int.from_bytes(bytes.fromhex(payload), "big", signed=True) for _, payload in thermometer.output(device)]


async def test_an_application_reads_what_its_sensor_is_told(stack: Stack) -> None:
    """Also after a power cut; a channel that is released makes its own readings again. The pins show what it writes."""
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=PATIENCE)
    assert await board.pins() == frozenset()
    await board.sensor(0).set(-21.5)
    thermometer = await stack.deploy("thermometer", to=board)
    assert await readings(thermometer, board.name) == [-21_500] * 3
    assert await board.pins() == {13}
    await board.cut_power()
    await board.power_on()
    await stack.device(board).until(phase="Connected", enrollments=2, within=PATIENCE)
    again = await stack.deploy("thermometer", to=board, name="again")
    assert await readings(again, board.name) == [-21_500] * 3
    await board.sensor(0).release()
    await board.sensor(1).set(99)
    own = await stack.deploy("thermometer", to=board, name="own")
    assert -21_500 not in await readings(own, board.name)


async def test_a_value_that_does_not_fit_is_refused(stack: Stack) -> None:
    board = await stack.boards.power_on()
    with pytest.raises(UsageError, match="there is no sensor 8"):
        board.sensor(8)
    for value in (3e6, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="does not fit a sensor"):
            await board.sensor(0).set(value)

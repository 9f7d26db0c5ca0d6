"""The life of some simulated boards: ``python life.py BOARDS SEED FOLDER LIVES`` leads it that often, and leaves
``history.jsonl`` of each in the folders ``0``, ``1``, ... of that folder."""

import sys
from pathlib import Path

from harness.stack import Stack
from harness.stack.hosted import HostedStack
from harness.stack.options import StackOptions


async def live(stack: Stack) -> None:
    """Enrollment, an application, a gateway that dies, power, reset, and link lost, and back."""
    boards = await stack.boards.power_on(count=3)
    boards.append(await stack.boards.power_on(certificate="request"))
    for board in boards:
        await stack.device(board).until(phase="Connected")
    application = await stack.deploy("thermometer", to="all")
    await application.until(phase="Running", statistics={"running": len(boards)})
    await stack.gateway.kill()
    await stack.clock.sleep(3)
    await stack.gateway.start()
    await boards[0].cut_power()
    await boards[1].reset()
    await boards[2].cut_link()
    await stack.device(boards[2]).until(phase="Disconnected")
    await stack.clock.sleep(200)
    await boards[0].power_on()
    await boards[2].restore_link()
    for board in boards:
        await stack.device(board).until(phase="Connected", within=100)
    await stack.clock.sleep(60)


if __name__ == "__main__":
    boards, seed, folder, lives = sys.argv[1:]
    options = StackOptions(boards=boards, seed=int(seed), deadline=3600)
    for number in range(int(lives)):
        place = Path(folder) / str(number)
        place.mkdir(parents=True)
        with HostedStack.opened(options, place) as hosted:
            hosted.run(live(hosted.stack))
            hosted.judge()

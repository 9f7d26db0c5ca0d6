"""The Robot Framework front door: keywords for the stack.

It adds no logic: Robot calls the same functions as pytest. Each module has a part of the keywords;
:mod:`harness.robot_library.listener` starts and stops stacks.
"""

from __future__ import annotations

from typing import Any

from robot.api.deco import keyword, library

from harness.robot_library.applications import ApplicationKeywords
from harness.robot_library.arguments import CONVERTERS
from harness.robot_library.boards import BoardKeywords
from harness.robot_library.devices import DeviceKeywords
from harness.robot_library.emulation import EmulationKeywords
from harness.robot_library.judges import JudgeKeywords
from harness.robot_library.listener import Scope, StackListener
from harness.robot_library.platform import PlatformKeywords
from harness.robot_library.rest import RestKeywords

__all__ = ["WasmbedLibrary"]


@library(scope="GLOBAL", converters=CONVERTERS, doc_format="ROBOT")
class WasmbedLibrary(
    BoardKeywords,
    DeviceKeywords,
    ApplicationKeywords,
    PlatformKeywords,
    RestKeywords,
    EmulationKeywords,
    JudgeKeywords,
):
    """Keywords for the whole Wasmbed stack: cluster, gateway, controllers, boards, and the recorded history.

    The first keyword that needs a stack starts it; it stops at the end of its scope, however the test ends.
    Everything that crosses a boundary is recorded. When a test has passed, the invariants judge its history.

    With ``Library    harness.robot_library`` in the suite's settings, a test reads:

    | A Device Enrolls
    |     ${board}=    Power On Board
    |     Device Should Reach Phase    ${board}    Connected    within=5s
    |     History Should Follow    device-enrollment

    = Scope =

    With ``scope=test``, which is the default, each test has its own stack. With ``scope=suite`` or
    ``scope=global`` the tests of a suite, or of the whole run, share one, and a suite's setup may use keywords.

    = Options =

    Each option of a stack is a variable: ``robot --variable BOARDS:qemu --variable SEED:7 robot``. It may also be in
    the environment, as ``WASMBED_BOARDS``, or in the project's ``harness.toml``, where ``--variable PROFILE:nightly``
    selects a profile. Arguments of the import and of `Start Stack` take precedence over all of these.

    = Blame =

    A failed test has a tag that says who has to act: ``blame:product``, ``blame:usage`` for a mistake in the suite, or
    ``blame:unknown``. If a board, an emulator, or a cluster failed, the product was not judged: the test is skipped,
    with ``NOT RUN`` in its message and the tag ``blame:rig``.

    = Durations =

    ``within`` is the longest time to wait, as in ``5s``, ``500 ms``, or ``1 minute``. A keyword returns as soon as its
    condition is met.
    """

    def __init__(self, scope: Scope | str = Scope.TEST, **options: Any) -> None:
        """``scope`` says how long a stack runs; ``options`` are options of the stack, as in ``heartbeat=500ms``."""
        self.listener = StackListener(scope, options)
        self.ROBOT_LIBRARY_LISTENER = self.listener

    @keyword(tags=["stack"])
    def start_stack(self, **options: Any) -> None:
        """Start the stack now, with these options. Otherwise the first keyword that needs a stack starts it.

        | Start Stack    heartbeat=300ms    seed=7
        """
        self.listener.start(options)

    @keyword(tags=["stack"])
    def stop_stack(self) -> None:
        """Stop the stack now instead of at the end of its scope. The next keyword starts a new one."""
        self.listener.stop()

    @keyword(tags=["stack"])
    def get_stack_option(self, name: str) -> Any:
        """Return the value of an option of the stack, such as ``fleet``."""
        return self.listener.option(name)

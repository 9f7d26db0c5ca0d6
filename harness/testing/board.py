"""Checks that a board keeps the contract, without a platform, for authors of a tier.

    from harness.testing.board import check_board

    asyncio.run(check_board(lambda settings, environment: MyBoard(settings, environment)))

Each check has its own board, its own scripted gateway and its own authorities.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from harness.boards.board import BoardEnvironment, BoardSettings, Credentials
from harness.core.clock import SystemClock
from harness.core.errors import ProductFailure, RigError, UsageError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.testing import board_applications as applications
from harness.testing import board_link as link
from harness.testing import board_runtime as runtime
from harness.testing.bench import Bench, BoardFactory, Expectations
from harness.wasmbed.pki.keys import Algorithm, generate_key, private_key_der
from harness.wasmbed.pki.server_authorities import ServerAuthorities

__all__ = [
    "BOARD_CHECKS",
    "BoardCheck",
    "BoardFactory",
    "Expectations",
    "Promise",
    "Verdict",
    "board_promises",
    "check_board",
    "run_board_check",
]


class Verdict(StrEnum):
    """Whether boards keep a promise of the contract."""

    KEPT = "kept"
    NOT_KEPT = "not kept"
    NOT_APPLICABLE = "not applicable"
    """They lack a feature that it is about."""
    NOT_RUN = "not run"
    """The board could not be started."""


_OUTCOMES = {
    Verdict.KEPT: "passed",
    Verdict.NOT_APPLICABLE: "skipped",
    Verdict.NOT_KEPT: "failed",
    Verdict.NOT_RUN: "not run",
}


@dataclass(frozen=True, slots=True)
class Promise:
    """One rule, for boards with all of ``features``, and whether boards keep it; ``error`` is what they did instead, or
    why it was not run."""

    name: str
    summary: str
    features: frozenset[str]
    verdict: Verdict
    error: ProductFailure | RigError | None = None


@dataclass(frozen=True, slots=True)
class BoardCheck:
    """One rule for boards with all of ``features``.

    ``alone``: it examines the whole process, so no other check may run at the same time.
    """

    name: str
    summary: str
    features: frozenset[str]
    function: Callable[[Bench], Awaitable[None]]
    alone: bool = False


def _checks(
    features: Iterable[str], *functions: Callable[[Bench], Awaitable[None]], alone: bool = False
) -> dict[str, BoardCheck]:
    return {
        function.__name__: BoardCheck(
            function.__name__, (function.__doc__ or "").strip(), frozenset(features), function, alone
        )
        for function in functions
    }


BOARD_CHECKS: Mapping[str, BoardCheck] = MappingProxyType(
    _checks(
        (),
        link.boots_and_switches_off,
        link.enrolls_with_certificate,
        link.waits_when_told_to,
        link.keeps_its_heartbeat,
        link.gives_up_a_silent_gateway,
        link.resumes_after_a_lost_link,
        link.enrolls_anew_when_forgotten,
        link.comes_back_slower_and_slower,
        link.survives_garbage,
        link.answers_unknown_tags,
        link.tells_about_itself,
        link.ignores_what_it_did_not_ask,
    )
    | _checks(
        ("tls",),
        link.authenticates_with_tls_1_3,
        link.refuses_an_unknown_authority,
        link.refuses_a_wrong_server_name,
    )
    | _checks(("reset",), link.restarts_with_its_identity, link.restarts_in_the_middle_of_traffic)
    | _checks((), link.leaves_nothing_without_power, alone=True)
    | _checks(("tls", "csr"), link.enrolls_with_signing_request)
    | _checks(
        ("wasm",),
        applications.runs_and_publishes,
        applications.stops,
        applications.tells_the_state,
        applications.refuses_what_it_cannot_run,
        applications.notices_a_missing_chunk,
        applications.cancels_a_transfer,
        applications.reports_faults,
        applications.ends_an_endless_loop,
        applications.keeps_what_runs,
        applications.gives_up_a_broken_transfer,
        runtime.judges_modules,
        runtime.initializes,
        runtime.keeps_tables_small,
    )
    | _checks(("wasm", "reset"), applications.forgets_applications_at_reset)
)
"""Every check by name."""


async def run_board_check(
    name: str,
    factory: BoardFactory,
    *,
    expectations: Expectations | None = None,
    environment: BoardEnvironment | None = None,
) -> bool:
    """Run one check. Returns False if it does not apply to boards with these features.

    Raises ProductFailure describing the board's behaviour, RigError if the board could not be started, UsageError for
    an unknown check.
    """
    check = _named(name)
    environment = environment or BoardEnvironment(SystemClock(), SystemNetwork(), Randomness())
    features = _features(factory, environment)
    if not check.features <= features:
        return False
    algorithm = Algorithm.ED25519 if "ed25519" in features else Algorithm.P256
    board_name = name.replace("_", "-")
    bench = Bench(board_name, factory, environment, expectations or Expectations(), algorithm)
    try:
        async with bench.open():
            await check.function(bench)
    except ProductFailure as failure:
        console = "".join(f"\n    {line}" for line in bench.console_tail())
        raise ProductFailure(f"{failure.what}\n  the board's last lines:{console or ' none'}", where=name) from failure
    return True


async def board_promises(
    factory: BoardFactory,
    *,
    only: Iterable[str] | None = None,
    at_once: int = 1,
    expectations: Expectations | None = None,
    environment: BoardEnvironment | None = None,
    progress: Callable[[Promise], object] | None = None,
) -> tuple[Promise, ...]:
    """Run every check, or ``only`` some, up to ``at_once`` at the same time; return which promises the boards keep.

    ``progress`` is called with each of them. Raises UsageError for an unknown check, before any is run.
    """
    found: dict[str, Promise] = {}
    turn = asyncio.Semaphore(at_once)

    async def run(name: str) -> None:
        error: ProductFailure | RigError | None = None
        async with turn:
            try:
                applies = await run_board_check(name, factory, expectations=expectations, environment=environment)
                verdict = Verdict.KEPT if applies else Verdict.NOT_APPLICABLE
            except ProductFailure as failure:
                verdict, error = Verdict.NOT_KEPT, failure
            except RigError as failure:
                verdict, error = Verdict.NOT_RUN, failure
        check = _named(name)
        found[name] = Promise(name, check.summary, check.features, verdict, error)
        if progress is not None:
            progress(found[name])

    names = list(BOARD_CHECKS) if only is None else list(only)
    alone = [name for name in names if _named(name).alone]
    await asyncio.gather(*(run(name) for name in names if name not in alone))
    for name in alone:
        await run(name)
    return tuple(found[name] for name in names)


async def check_board(
    factory: BoardFactory,
    *,
    only: Iterable[str] | None = None,
    at_once: int = 1,
    expectations: Expectations | None = None,
    environment: BoardEnvironment | None = None,
    progress: Callable[[str, str], object] | None = None,
) -> None:
    """Run checks as :func:`board_promises` does, for boards that have to keep every promise.

    ``progress`` is called with each check's name and outcome: ``passed``, ``skipped``, ``failed`` or ``not run``.
    Raises ProductFailure with all failures by name; RigError if none failed but some could not be run; UsageError for
    an unknown check, before any is run.
    """

    def tell(promise: Promise) -> None:
        if progress is not None:
            progress(promise.name, _OUTCOMES[promise.verdict])

    found = await board_promises(
        factory, only=only, at_once=at_once, expectations=expectations, environment=environment, progress=tell
    )
    broken = [promise.name for promise in found if promise.verdict is Verdict.NOT_KEPT]
    details = [str(promise.error) for promise in found if promise.error is not None]
    if broken:
        raise ProductFailure(
            f"{len(broken)} of {len(found)} board checks failed: {', '.join(broken)}\n" + "\n".join(details)
        )
    if details:
        raise RigError(f"{len(details)} board checks could not be run\n" + "\n".join(details))


def _named(name: str) -> BoardCheck:
    if name not in BOARD_CHECKS:
        raise UsageError(f"unknown check {name!r}", do=f"the checks are {', '.join(BOARD_CHECKS)}")
    return BOARD_CHECKS[name]


def _features(factory: BoardFactory, environment: BoardEnvironment) -> frozenset[str]:
    """Return the features of the factory's boards, from a board that is never powered on."""
    key = generate_key(Algorithm.P256)
    authority = ServerAuthorities("Check servers", environment.clock).certificates
    credentials = Credentials(authority, private_key_der(key))
    return factory(BoardSettings("features", credentials, ("127.0.0.1", 0), "localhost"), environment).features

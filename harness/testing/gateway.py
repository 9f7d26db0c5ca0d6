"""Checks that a gateway keeps the contract, for authors of a kind and of a table ``[gateways.NAME]``.

    from harness.testing.gateway import check_gateway

    asyncio.run(check_gateway("mine"))

Each check has a stack of its own: the embedded cluster, the controllers, and the gateway.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from harness.core.errors import HarnessError, ProductFailure, UsageError
from harness.stack.gateway_choice import find_gateway
from harness.stack.options import StackOptions
from harness.stack.stack import Stack
from harness.testing import gateway_life as life
from harness.testing import gateway_links as links

__all__ = ["GATEWAY_CHECKS", "GatewayCheck", "check_gateway"]

HEARTBEAT, BEAT = 0.5, 0.5
"""Seconds between heartbeats, of devices and of the gateway."""


@dataclass(frozen=True, slots=True)
class GatewayCheck:
    """One rule for gateways with all of ``features``."""

    name: str
    summary: str
    features: frozenset[str]
    function: Callable[[Stack], Awaitable[None]]


def _checks(features: Iterable[str], *functions: Callable[[Stack], Awaitable[None]]) -> dict[str, GatewayCheck]:
    return {
        function.__name__: GatewayCheck(
            function.__name__, (function.__doc__ or "").strip(), frozenset(features), function
        )
        for function in functions
    }


GATEWAY_CHECKS: Mapping[str, GatewayCheck] = MappingProxyType(
    _checks(
        (),
        links.is_trusted_by_boards,
        links.refuses_an_unknown_authority,
        links.enrolls_a_device,
        links.answers_heartbeats,
        links.is_in_the_record,
    )
    | _checks(("gateway-pairing",), links.pairs_a_device)
    | _checks(("gateway-revocation",), links.shuts_out_a_revoked_device)
    | _checks(("gateway-http",), links.serves_its_http_api, links.deploys_an_application)
    | _checks(("gateway-stop",), life.refuses_connections_once_stopped, life.comes_back_at_its_address)
    | _checks(("gateway-kill", "gateway-stop"), life.dies_without_a_word)
    | _checks(("gateway-reload",), life.reads_its_certificates_again)
    | _checks(("several-gateways",), life.runs_beside_another)
)
"""Every check by name; its docstring is the rule."""


async def check_gateway(
    gateway: str | StackOptions,
    *,
    only: Iterable[str] | None = None,
    progress: Callable[[str, str], object] | None = None,
) -> None:
    """Run every check, or ``only`` some, against the gateway that ``--gateway`` would name, or ``options`` name.

    Checks of features that the gateway lacks are left out. ``progress`` is called with each check's name and outcome:
    ``passed``, ``failed`` or ``left out``. Raises ProductFailure with all failures by name, RigError if the gateway
    cannot be started, UsageError for an unknown check or an invalid table.
    """
    options = gateway if isinstance(gateway, StackOptions) else StackOptions(gateway=gateway)
    options = options.replace(heartbeat=HEARTBEAT, beat=BEAT)
    names = list(GATEWAY_CHECKS) if only is None else list(only)
    for name in names:
        if name not in GATEWAY_CHECKS:
            raise UsageError(f"unknown check {name!r}", do=f"the checks are {', '.join(GATEWAY_CHECKS)}")
    kind, choice = find_gateway(options)
    features = kind.features_of(choice) - choice.lacks
    failures: dict[str, str] = {}
    for name in names:
        check = GATEWAY_CHECKS[name]
        outcome = "left out"
        if check.features <= features:
            outcome = await _run(check, options, failures)
        if progress is not None:
            progress(name, outcome)
    if failures:
        listed = "\n".join(f"{name}: {what}" for name, what in failures.items())
        raise ProductFailure(f"{len(failures)} of {len(names)} gateway checks failed: {', '.join(failures)}\n{listed}")


async def _run(check: GatewayCheck, options: StackOptions, failures: dict[str, str]) -> str:
    async with Stack(options) as stack:
        try:
            await _blamed(stack, check)
        except ProductFailure as failure:
            failures[check.name] = failure.what
        except HarnessError:
            raise
        except (OSError, AssertionError, KeyError) as error:
            failures[check.name] = f"{type(error).__name__}: {error}"
    return "failed" if check.name in failures else "passed"


async def _blamed(stack: Stack, check: GatewayCheck) -> None:
    """Run a check. Raises RigError for a failure for which the cluster is to blame."""
    try:
        await check.function(stack)
        stack.gateway.check()
    except Exception as error:
        await stack.blame(error)
        raise

"""``wasmbed wait``: until objects are as a script needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import completion
from harness.cli.cluster import asynchronous, cluster_options, connected
from harness.cli.named import parse_named
from harness.cli.output import say
from harness.core.errors import ProductFailure, UsageError, suggestion

if TYPE_CHECKING:
    from harness.wasmbed.resources.api import Object, Resource, ResourceApi

__all__ = ["until", "wait"]

Condition = Callable[["Object | None"], bool]


@click.command()
@click.argument("objects", metavar="KIND/NAME...", nargs=-1, required=True, shell_complete=completion.objects)
@click.option(
    "--for",
    "wanted",
    required=True,
    metavar="WHAT",
    shell_complete=completion.conditions,
    help="phase=Connected or another field of the status, condition=Ready, create, or delete.",
)
@click.option("--timeout", default="30s", show_default=True, metavar="TIME", help="30s, 5m.")
@cluster_options
@asynchronous
async def wait(objects: tuple[str, ...], wanted: str, timeout: str, kubeconfig: Path | None, namespace: str) -> None:
    """Wait until devices, applications or gateways are as --for says: device/pump-1, application/blink.

    The exit code is 1 if one is not in time.
    """
    from harness.wasmbed.resources.durations import parse_duration

    named, condition = parse_named(objects), _condition(wanted)
    try:
        within = parse_duration(timeout)
    except ValueError as error:
        raise UsageError(str(error), where="--timeout", do="write 30s or 5m") from error
    async with connected(kubeconfig, namespace) as api:
        await until(api, named, condition, wanted, within)


async def until(
    api: ResourceApi, named: Sequence[tuple[Resource, str]], condition: Condition, wanted: str, within: float
) -> None:
    """Wait until the condition holds for each object, and say so. Raises ProductFailure with what each is instead."""
    from harness.core.clock import SystemClock
    from harness.core.identifiers import Randomness
    from harness.wasmbed.resources.informer import Informer

    clock = SystemClock()
    informers = {kind: Informer(api, kind, clock, Randomness()) for kind in dict.fromkeys(kind for kind, _ in named)}
    late: list[str] = []

    async def one(kind: Resource, name: str) -> None:
        informer, label = informers[kind], f"{kind.kind.lower()}/{name}"
        try:
            await informer.wait_for(name, condition, within)
        except TimeoutError:
            late.append(f"{label} {_described(informer.get(name))}")
        else:
            say(f"{label}: {wanted}")

    for kind in informers:
        await api.list(kind)  # raises errors; an informer would try for ever
    try:
        await asyncio.gather(*(informer.start() for informer in informers.values()))
        await asyncio.gather(*(one(kind, name) for kind, name in named))
    finally:
        for informer in informers.values():
            await informer.stop()
    if late:
        do = "see wasmbed status, and kubectl describe for the events"
        raise ProductFailure(f"not {wanted} within {within:g} s: {'; '.join(sorted(late))}", do=do)


def _condition(wanted: str) -> Condition:
    """Raises UsageError for another form."""
    if wanted in ("create", "delete"):
        return lambda item: (item is None) == (wanted == "delete")
    field, equals, value = wanted.partition("=")
    if not equals or not field or not value:
        do = f"{suggestion(wanted, ('create', 'delete'))}write phase=Connected, condition=Ready, create or delete"
        raise UsageError(f"invalid condition {wanted!r}", where="--for", do=do)
    if field == "condition":
        kind, _, state = value.partition("=")

        def holds(item: Object | None) -> bool:
            conditions = ((item or {}).get("status") or {}).get("conditions") or ()
            return any(each.get("type") == kind and each.get("status") == (state or "True") for each in conditions)

        return holds
    path = field.removeprefix("status.").split(".")

    def equal(item: Object | None) -> bool:
        found: Any = (item or {}).get("status")
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        return found is not None and (str(found).lower() if isinstance(found, bool) else str(found)) == value

    return equal


def _described(item: Object | None) -> str:
    if item is None:
        return "is not there"
    status = item.get("status") or {}
    error = f" ({status['error']})" if status.get("error") else ""
    return f"is {status.get('phase') or 'without a phase'}{error}"

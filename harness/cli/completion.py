"""Completion of names by the shell: of boards, devices, applications, kinds, phases and runs.

A shell asks while somebody waits for a key, so what cannot be read soon is not offered, and nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

__all__ = ["applications", "boards", "conditions", "consoles", "devices", "kinds", "objects", "runs"]

WITHIN = 5.0
"""Seconds for one question."""
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completed(names: Callable[[click.Context], Iterable[str]], *, listed: bool = False) -> Complete:
    """A function for click's ``shell_complete``; with ``listed`` a word is names with commas between."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",") if listed else ("", "", incomplete)
        try:
            found = [name for name in names(ctx) if name.startswith(last)]
        except Exception:  # a shell has no place for what is wrong; the command says it
            return []
        return [CompletionItem(f"{before}{comma}{name}") for name in found]

    return complete


def _of_platform(ctx: click.Context) -> list[str]:
    import asyncio

    from harness.cli.asking import asked

    async def names() -> list[str]:
        async with asyncio.timeout(WITHIN):
            documents = [answer async for answer in asked(_path(ctx), "status")]
        return [board["name"] for board in documents[0]["boards"]]

    return asyncio.run(names())


def _of_cluster(*kinds: str) -> Callable[[click.Context], list[str]]:
    def names(ctx: click.Context) -> list[str]:
        import socket

        from harness.cli.reading import read
        from harness.wasmbed.resources.blocking_reader import Reader
        from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY
        from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

        chosen = [each for each in (APPLICATION, DEVICE, GATEWAY) if each.kind.lower() in kinds]

        async def work(api: Reader) -> list[str]:
            prefix = len(chosen) > 1
            return [
                f"{kind.kind.lower()}/{item['metadata']['name']}" if prefix else item["metadata"]["name"]
                for kind in chosen
                for item in (await api.list(kind)).items
            ]

        socket.setdefaulttimeout(WITHIN)
        with ctx.scope(cleanup=False):  # the reader asks for the command's options
            return read(work, _path(ctx), ctx.params.get("namespace") or DEFAULT_NAMESPACE)

    return names


def _path(ctx: click.Context) -> Path | None:
    given: Any = ctx.params.get("kubeconfig")
    return Path(given) if given else None


def _kinds(ctx: click.Context) -> list[str]:
    from harness.boards.catalogue import Catalogue

    return [kind for kind in Catalogue().kinds if kind not in Catalogue().absent]


def _conditions(ctx: click.Context) -> list[str]:
    from harness.wasmbed.resources.phases import ApplicationPhase, DevicePhase, GatewayPhase

    phases = {phase.value for kind in (DevicePhase, ApplicationPhase, GatewayPhase) for phase in kind}
    return ["create", "delete", *(f"phase={phase}" for phase in sorted(phases))]


def _runs(ctx: click.Context) -> list[str]:
    from harness.cli.runs import REPORTS
    from harness.reporting.retention import runs_in

    return ["latest", "previous", *(run.name for run in runs_in(REPORTS))]


boards = _completed(_of_platform)
devices = _completed(lambda ctx: ["all", *_of_cluster("device")(ctx)], listed=True)
consoles = _completed(_of_cluster("device"))
applications = _completed(_of_cluster("application"))
objects = _completed(_of_cluster("application", "device", "gateway"))
kinds = _completed(_kinds, listed=True)
conditions = _completed(_conditions)
runs = _completed(_runs)

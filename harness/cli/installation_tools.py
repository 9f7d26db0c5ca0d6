"""``wasmbed platform build``, ``test`` and ``monitor``: what a platform is made of, and whether it works."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.cluster import asynchronous
from harness.cli.config import settings_options
from harness.cli.output import say
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.platform.settings import Settings

__all__ = ["build", "check_running", "kubeconfig_of", "monitor", "test"]


@click.command()
@settings_options
def build(settings: Path | None, pairs: Sequence[str]) -> None:
    """Build the firmware of the boards that the platform can run; with cluster.manifests, the images for the cluster.

    It takes the tools that are installed, and says which others it needs (wasmbed doctor).
    """
    from harness.platform.build import build as make
    from harness.platform.build import targets
    from harness.platform.settings import read_settings

    wanted = targets(read_settings(settings, pairs))
    for target, made in wanted.items():
        say(f"{target:<14} {made}")
        make(target)
    say("built" if wanted else "nothing to build: without emulators the programs need no build")


@click.command()
@settings_options
@click.option(
    "--within", type=click.IntRange(min=1), default=60, show_default=True, metavar="SECONDS",
    help="The longest time for each step.",
)  # fmt: skip
@asynchronous
async def test(settings: Path | None, pairs: Sequence[str], within: int) -> None:
    """Try the platform that runs: a board enrolls, an application runs on it and stops; nothing is left.

    Exit code 1 if a step fails.
    """
    from harness.cli.cluster import opened
    from harness.core.clock import SystemClock
    from harness.core.identifiers import Randomness
    from harness.platform.settings import read_settings
    from harness.platform.smoke import smoke_test

    chosen = read_settings(settings, pairs)
    await check_running(chosen)
    async with opened(kubeconfig_of(chosen), chosen.platform.namespace) as api:
        await smoke_test(api, SystemClock(), Randomness(), within, say)


@click.command()
@settings_options
@asynchronous
async def monitor(settings: Path | None, pairs: Sequence[str]) -> None:
    """Watch the platform's gateways, devices and applications until Ctrl-C, as wasmbed monitor does."""
    from harness.cli.monitor import follow
    from harness.platform.settings import read_settings

    chosen = read_settings(settings, pairs)
    await check_running(chosen)
    await follow(kubeconfig_of(chosen), chosen.platform.namespace)


async def check_running(settings: Settings) -> None:
    """Raise UsageError if the platform's programs are to run on this machine, and do not."""
    from harness.platform.control import is_running
    from harness.platform.folder import Folder

    folder = Folder(settings.platform.folder)
    if settings.cluster.manifests is None and not await is_running(folder.socket):
        raise UsageError("no platform runs here", where=str(folder.path), do="start it: wasmbed platform deploy")


def kubeconfig_of(settings: Settings) -> Path | None:
    """The file of the platform's cluster; None: kubectl's own."""
    from harness.platform.folder import Folder

    if settings.cluster.kubeconfig is not None or settings.cluster.manifests is not None:
        return settings.cluster.kubeconfig
    return Folder(settings.platform.folder).kubeconfig

"""``wasmbed doctor``: the tiers, clusters, gateways and tools that are available here."""

from __future__ import annotations

import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.output import cell, show

if TYPE_CHECKING:
    from rich.text import Text

TOOLS = {
    "kubectl": ("manual use of the cluster", "install Debian's kubernetes-client, or fetch it from kubernetes.io"),
    "qemu-system-arm": ("emulated boards", "install Debian's qemu-system-arm, 7.2 or newer"),
    "qemu-system-riscv32": ("emulated boards with RISC-V", "install Debian's qemu-system-misc, 7.2 or newer"),
    "cargo": ("make firmware", "install Rust: rustup, or Debian's rustc-web, cargo-web and rust-web-src"),
    "arm-none-eabi-ld": ("make firmware (linker)", "install Debian's gcc-arm-none-eabi"),
    "ld.lld": ("make firmware (linker for RISC-V)", "install Debian's lld"),
    "clang": ("make apps (the one in C)", "install Debian's clang and lld"),
}
"""Optional programs: their purpose, and how to install them."""


@click.command()
def doctor() -> None:
    """Show which tiers of boards, kinds of clusters, gateways and tools are available, and how to get the others."""
    from rich.table import Table

    from harness.boards.catalogue import registered
    from harness.boards.renode.installation import describe
    from harness.stack.backends import clusters
    from harness.stack.gateway_choice import gateways
    from harness.stack.sources import find_root

    table = Table(box=None, pad_edge=False)
    for heading in ("", "name", "state"):
        table.add_column(heading, overflow="fold")
    for tier in registered():
        table.add_row("boards", tier.name, _state(tier.unavailable))
    for name, unavailable in clusters().items():
        table.add_row("cluster", name, _state(unavailable))
    for name, unavailable in gateways(find_root(Path.cwd())).items():
        table.add_row("gateway", name, _state(unavailable))
    for tool, (purpose, how) in TOOLS.items():
        path = shutil.which(tool)
        table.add_row("tool", tool, _state(None if path else f"not found, for {purpose}: {how}", path or ""))
    table.add_row("tool", "renode", _state(*describe()))
    table.add_row("python", platform.python_version(), _state(None, sys.executable))
    table.add_row("loop", "uvloop", _state(*_uvloop()))
    show(table)


def _state(trouble: str | None, detail: str = "") -> Text:
    from rich.text import Text

    if trouble:
        return cell(trouble, "yellow")
    return Text.assemble(cell("available", "green"), cell(f"  {detail}".rstrip()))


def _uvloop() -> tuple[str | None, str]:
    try:
        return None, version("uvloop")
    except PackageNotFoundError:
        return "not found: asyncio's loop is used, which needs more memory for a connection", ""

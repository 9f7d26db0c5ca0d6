"""``wasmbed doctor``: the tiers, clusters, gateways and tools that are available here."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.forms import form_option, show_document
from harness.cli.tables import Table

if TYPE_CHECKING:
    from harness.cli.shapes import EquipmentRow, EquipmentType

TOOLS = {
    "kubectl": ("manual use of the cluster", "install Debian's kubernetes-client, or fetch it from kubernetes.io"),
    "qemu-system-arm": ("emulated boards", "install Debian's qemu-system-arm, 7.2 or newer"),
    "qemu-system-riscv32": ("emulated boards with RISC-V", "install Debian's qemu-system-misc, 7.2 or newer"),
    "cargo": ("make firmware", "install Rust: rustup, or Debian's rustc-web, cargo-web and rust-web-src"),
    "ld.lld": ("make firmware (linker)", "install Debian's lld"),
    "gdb-multiarch": ("wasmbed gdb, and replay --gdb", "install Debian's gdb-multiarch"),
    "clang": ("make apps (the one in C)", "install Debian's clang and lld"),
}
"""Optional programs: their purpose, and how to install them."""


@click.command()
@form_option
def doctor(form: str) -> None:
    """Show which tiers of boards, kinds of clusters, gateways and tools are available, and how to get the others."""
    rows = list(_equipment())
    if show_document(form, {"equipment": rows}, [f"{row['type']}/{row['name']}" for row in rows]):
        return
    table = Table("", "name", "state", "detail")
    for row in rows:
        state = ("available", "green") if row["available"] else ("missing", "yellow")
        table.add(row["type"], row["name"], state, row["detail"])
    table.show()


def _equipment() -> Iterator[EquipmentRow]:
    from harness.boards.catalogue import registered
    from harness.boards.renode.installation import describe
    from harness.stack.backends import clusters
    from harness.stack.gateway_choice import gateways
    from harness.stack.sources import find_root

    for tier in registered():
        yield _row("boards", tier.name, tier.unavailable)
    for name, unavailable in clusters().items():
        yield _row("cluster", name, unavailable)
    for name, unavailable in gateways(find_root(Path.cwd())).items():
        yield _row("gateway", name, unavailable)
    for tool, (purpose, how) in TOOLS.items():
        path = shutil.which(tool)
        yield _row("tool", tool, None if path else f"not found, for {purpose}: {how}", path or "")
    yield _row("tool", "renode", *describe())
    yield _row("python", platform.python_version(), None, sys.executable)
    yield _row("loop", "uvloop", *_uvloop())


def _row(kind: EquipmentType, name: str, trouble: str | None, detail: str = "") -> EquipmentRow:
    return {"type": kind, "name": name, "available": not trouble, "detail": trouble or detail}


def _uvloop() -> tuple[str | None, str]:
    try:
        return None, version("uvloop")
    except PackageNotFoundError:
        return "not found: asyncio's loop is used, which needs more memory for a connection", ""

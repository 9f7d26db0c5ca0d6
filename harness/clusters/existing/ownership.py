"""Marks a namespace, or a cluster, with the process that uses it, so that leftovers are recognized."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from harness.wasmbed.resources.api import Object
from harness.wasmbed.resources.names import HOST_LABEL, MANAGED_BY_HARNESS, MANAGED_BY_LABEL, PROCESS_ANNOTATION

__all__ = ["SELECTOR", "identity", "ownership", "why_in_use", "why_kept", "why_taken"]

DAY = 24 * 3600.0


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:63].strip(".-") or "unknown"


SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY_HARNESS},{HOST_LABEL}={_host()}"
"""Labels of the namespaces that runs on this machine have made."""


def ownership() -> Object:
    """Return the metadata that marks a namespace as this process's."""
    return {
        "labels": {MANAGED_BY_LABEL: MANAGED_BY_HARNESS, HOST_LABEL: _host()},
        "annotations": {PROCESS_ANNOTATION: identity(os.getpid())},
    }


def why_kept(namespace: Object, now: float) -> str | None:
    """Return why a labelled namespace must stay; None if its run has ended.

    ``now`` is in seconds since the epoch. A namespace of another machine with this name cannot be distinguished from
    one of this machine before its last restart; both are taken as unused after a day.
    """
    metadata = namespace["metadata"]
    made = datetime.fromisoformat(metadata["creationTimestamp"]).astimezone(UTC).timestamp()
    return why_in_use(_process(metadata), made, now)


def why_in_use(process: str, made: float, now: float) -> str | None:
    """Return why what a process made must stay; None if that process has ended. ``process`` is an :func:`identity`, and
    the times are in seconds since the epoch. See :func:`why_kept` for other machines."""
    machine, _, of_machine = process.partition(" ")
    if machine != _machine():
        return None if now - made > DAY else "made within the last day by another machine of this name"
    return _user(of_machine)


def why_taken(namespace: Object) -> tuple[str, str] | None:
    """Return why another run's namespace cannot be used, and what to do; None if it is this process's or no run's."""
    metadata = namespace["metadata"]
    labels = metadata.get("labels") or {}
    process = _process(metadata)
    if labels.get(MANAGED_BY_LABEL) != MANAGED_BY_HARNESS or process == identity(os.getpid()):
        return None
    machine, _, process = process.partition(" ")
    if machine != _machine():
        return f"a run on {labels.get(HOST_LABEL)} made it, which may still use it", "end that run"
    if user := _user(process):
        return user, "end it"
    return "a run that was killed left it", "remove it: wasmbed clean --cluster"


def _process(metadata: Object) -> str:
    return str((metadata.get("annotations") or {}).get(PROCESS_ANNOTATION, ""))


def identity(pid: int) -> str:
    """Return a text that no other process ever has: its machine's boot, its id, and when it began."""
    return f"{_machine()} {pid} {_started(pid)}"


def _user(process: str) -> str | None:
    number, _, started = process.partition(" ")
    return f"process {number} uses it" if number.isdecimal() and _started(int(number)) == started else None


def _machine() -> str:
    """Return an identifier of this machine's boot and of this process's PID namespace."""
    parts = []
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return "/".join(parts) or "unknown"


def _started(pid: int) -> str:
    """Return when a process began, in a form to compare; empty if it does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "running"

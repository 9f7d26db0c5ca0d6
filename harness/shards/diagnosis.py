"""Why a shard does not start, or has ended without results: from what Kubernetes says of its pod, in its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.shards.job import INDEX
from harness.wasmbed.resources.api import Object

__all__ = ["cannot_start", "death", "has_started", "index_of", "is_ready", "waits_for"]

_IMAGE = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError"}
_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError"}
_REASONS = {"OOMKilled": "it used more memory than it may: --memory", "Evicted": "free its disk, or run more shards"}


def index_of(pod: Object) -> int:
    """The index of a Job's pod."""
    return int(pod["metadata"]["annotations"][INDEX])


def is_ready(pod: Object) -> bool:
    """Whether its results can be fetched."""
    return _condition(pod, "Ready").get("status") == "True"


def has_started(pod: Object) -> bool:
    """Whether its program runs, or has run."""
    return any(name in _state(pod) for name in ("running", "terminated"))


def cannot_start(pod: Object) -> tuple[str, str] | None:
    """Why it will not start, and what to do; None where it may."""
    waiting = _state(pod).get("waiting") or {}
    why = waiting.get("reason", "")
    text = f"{why}: {waiting.get('message') or _image(pod)}"
    if why in _IMAGE:
        return text, "name an image that the nodes have or can pull: --image; k3d image import brings one into them"
    return (text, "correct that in the cluster") if why in _CONTAINER else None


def waits_for(pod: Object) -> str:
    """The reason why it has not started, as far as Kubernetes says it."""
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return f"{scheduled.get('reason')}: {scheduled.get('message')}"
    waiting = _state(pod).get("waiting") or {}
    return f"{waiting.get('reason')}: {waiting.get('message', '')}".rstrip(": ") if waiting else "Pending"


def death(pod: Object | None) -> tuple[str, str | None] | None:
    """Why it has ended without results, and what to do; None for one that has not ended. No pod: it was deleted."""
    if pod is None or pod["metadata"].get("deletionTimestamp"):
        return "its pod was deleted", None
    status = pod.get("status") or {}
    if status.get("phase") not in ("Failed", "Succeeded"):
        return None
    ended: Mapping[str, Any] = _state(pod).get("terminated") or {}
    why = status.get("reason") or ended.get("reason") or "ended"
    text = status.get("message") or ended.get("message") or f"exit code {ended.get('exitCode', 'unknown')}"
    return f"{why}: {text}", _REASONS.get(why)


def _condition(pod: Object, kind: str) -> Mapping[str, Any]:
    found = (each for each in (pod.get("status") or {}).get("conditions") or () if each["type"] == kind)
    return next(found, {})


def _state(pod: Object) -> Mapping[str, Any]:
    """The state of its only container."""
    containers = (pod.get("status") or {}).get("containerStatuses") or [{}]
    state: Mapping[str, Any] = containers[0].get("state") or {}
    return state


def _image(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["image"])

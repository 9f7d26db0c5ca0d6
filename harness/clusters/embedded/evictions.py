"""Evictions ask the disruption budget of a pod, whose status a controller keeps, and count against it."""

from __future__ import annotations

from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.selectors import label_selector_of
from harness.clusters.embedded.state import State
from harness.clusters.embedded.store import Key
from harness.clusters.embedded.values import Object, lookup
from harness.clusters.embedded.write_options import Options
from harness.clusters.embedded.writing import Writer

__all__ = ["count_eviction"]

_BUDGETS = "poddisruptionbudgets.policy"
_NOT_RUNNING = ("Succeeded", "Failed", "Pending")
_RETRY_SECONDS = 10
_NAMES_LIMIT = 2000
"""Pods that a budget may hold as taken away."""


def count_eviction(state: State, writer: Writer, pod: Object, options: Options) -> None:
    """Count the eviction of a pod. Raises the refusals 429, where its budget does not allow it, and 500."""
    status = pod.get("status") or {}
    if status.get("phase") in (None, *_NOT_RUNNING) or "deletionTimestamp" in pod["metadata"]:
        return
    served = state.registry.storing(_BUDGETS)
    labels = pod["metadata"].get("labels") or {}
    entries = state.collection(served).entries(pod["metadata"]["namespace"])
    found = [(key, entry.object) for key, entry in entries if _guards(entry.object, labels)]
    if len(found) > 1:
        message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise StatusError(500, "", message)
    for key, budget in found:
        if _is_ready(status) or not _spares_unready(budget):
            _take(state, writer, key, budget, pod["metadata"]["name"], options)


def _guards(budget: Object, labels: Object) -> bool:
    selector = lookup(budget, ("spec", "selector"))
    return selector is not None and label_selector_of(selector)(labels)


def _is_ready(status: Object) -> bool:
    return any(one["type"] == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ())


def _spares_unready(budget: Object) -> bool:
    """Whether a pod that is not ready may go without being counted."""
    healthy, wanted = (lookup(budget, ("status", name)) or 0 for name in ("currentHealthy", "desiredHealthy"))
    always = lookup(budget, ("spec", "unhealthyPodEvictionPolicy")) == "AlwaysAllow"
    return always or (healthy >= wanted > 0)


def _take(state: State, writer: Writer, key: Key, budget: Object, pod: str, options: Options) -> None:
    status, generation = budget.get("status") or {}, budget["metadata"].get("generation", 1)
    if status.get("observedGeneration", 0) < generation:
        raise _not_now(f"The disruption budget {key[1]} is still being processed by the server.", retry=True)
    if status.get("disruptionsAllowed", 0) <= 0 or len(status.get("disruptedPods") or {}) > _NAMES_LIMIT:
        wanted, healthy = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
        raise _not_now(f"The disruption budget {key[1]} needs {wanted} healthy pods and has {healthy} currently")
    left = status["disruptionsAllowed"] - 1
    now = state.now()
    condition = {
        "type": "DisruptionAllowed",
        "status": "True" if left else "False",
        "observedGeneration": generation,
        "lastTransitionTime": now,
        "reason": "SufficientPods" if left else "InsufficientPods",
        "message": "",
    }
    others = [one for one in status.get("conditions") or () if one["type"] != condition["type"]]
    changed = {
        **status,
        "disruptionsAllowed": left,
        "disruptedPods": {**(status.get("disruptedPods") or {}), pod: now},
        "conditions": [*others, condition],
    }
    by_server = Options(options.dry_run, "kube-apiserver")
    served = state.registry.storing(_BUDGETS)
    writer.update(served, key, "status", lambda old: {**old, "status": changed}, by_server)


def _not_now(why: str, *, retry: bool = False) -> StatusError:
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry:
        details["retryAfterSeconds"] = _RETRY_SECONDS
    headers = {"Retry-After": str(_RETRY_SECONDS)} if retry else {}
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    return StatusError(429, "TooManyRequests", message, details, headers)

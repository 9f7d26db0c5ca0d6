"""The server's additions to, and demands on, Jobs and CronJobs."""

from __future__ import annotations

from harness.clusters.embedded import errors
from harness.clusters.embedded.errors import Cause
from harness.clusters.embedded.kinds.schedules import schedule_problem, zone_problem
from harness.clusters.embedded.kinds.workload_rules import pods_of
from harness.clusters.embedded.values import Object, lookup, same

__all__ = ["cron_job", "job"]

_FIXED = ("selector", "completionMode", "completions", "template", "podFailurePolicy", "managedBy")
_LONGEST_NAME = 52
"""Characters of a CronJob's name, to which its Jobs add eleven."""


def job(new: Object, old: Object | None) -> list[Cause]:
    """A Job finds its pods by labels made from its uid, which it gets with :func:`job_labels`."""
    spec = new.get("spec") or {}
    defaults = {
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "podReplacementPolicy": "TerminatingOrFailed",
        "suspend": False,
        "manualSelector": False,
    }
    if spec.get("completions") is None and spec.get("parallelism") is None:
        defaults["completions"] = 1
    for name, value in {**defaults, "parallelism": 1}.items():
        spec.setdefault(name, value)
    causes: list[Cause] = []
    if old is None and not spec["manualSelector"]:
        causes += _select_pods(new, spec)
    if labels := lookup(new, ("spec", "template", "metadata", "labels")):
        new["metadata"].setdefault("labels", dict(labels))
    if spec["completionMode"] == "Indexed" and spec.get("completions") is None:
        detail = "when completion mode is Indexed"
        causes.append(errors.required("spec.completions", detail))
    if "backoffLimitPerIndex" in spec and spec["completionMode"] != "Indexed":
        field, limit = "spec.backoffLimitPerIndex", spec["backoffLimitPerIndex"]
        causes.append(errors.invalid_value(field, limit, "requires indexed completion mode"))
    for index, rule in enumerate(lookup(spec, ("podFailurePolicy", "rules")) or ()):
        if not rule.get("onExitCodes") and not rule.get("onPodConditions"):
            detail = "Invalid value: specifying one of OnExitCodes and OnPodConditions is required"
            causes.append(Cause("FieldValueInvalid", f"spec.podFailurePolicy.rules[{index}]", detail))
    causes += _changed(spec, (old or {}).get("spec"))
    return [*causes, *pods_of(new), *_ending(new, "spec.template.spec")]


def _changed(spec: Object, before: Object | None) -> list[Cause]:
    """Refuse changes of fields that stay once a Job is made."""
    if before is None:
        return []
    return [
        errors.invalid_value(f"spec.{name}", spec.get(name), "field is immutable")
        for name in _FIXED
        if not same(spec.get(name), before.get(name))
    ]


def _select_pods(new: Object, spec: Object) -> list[Cause]:
    uid, name = new["metadata"].get("uid", ""), new["metadata"].get("name", "")
    made = {"batch.kubernetes.io/controller-uid": uid, "controller-uid": uid,
            "batch.kubernetes.io/job-name": name, "job-name": name}  # fmt: skip
    inside = spec["template"] = dict(spec.get("template") or {})
    metadata = inside["metadata"] = dict(inside.get("metadata") or {})
    metadata["labels"] = dict(sorted({**(metadata.get("labels") or {}), **made}.items()))
    own = {"batch.kubernetes.io/controller-uid": uid}
    given = lookup(spec, ("selector", "matchLabels")) or {}
    spec["selector"] = {"matchLabels": {**given, **own}}
    if not given:
        return []
    causes = [errors.invalid_value("spec.selector", spec["selector"], "`selector` not auto-generated")]
    if any(metadata["labels"].get(key) != value for key, value in given.items()):
        detail = "`selector` does not match template `labels`"
        causes.append(errors.invalid_value("spec.template.metadata.labels", metadata["labels"], detail))
    return causes


def _ending(new: Object, field: str) -> list[Cause]:
    """Pods of a job end some day."""
    policy = lookup(new, (*field.split("."), "restartPolicy"))
    detail = 'valid values: "OnFailure", "Never"'
    return [errors.required(f"{field}.restartPolicy", detail)] * (policy not in ("OnFailure", "Never"))


def cron_job(new: Object, old: Object | None) -> list[Cause]:
    """Schedule, time zone and what is run."""
    field = "spec.jobTemplate.spec.template.spec"
    causes = [*pods_of(new, field), *_ending(new, field)]
    spec = new.get("spec") or {}
    schedule, zone = spec.get("schedule"), spec.get("timeZone")
    if schedule and (problem := schedule_problem(schedule)):
        causes.append(errors.invalid_value("spec.schedule", schedule, problem))
    if schedule and "TZ" in schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        causes.append(errors.invalid_value("spec.schedule", schedule, detail))
    if zone is not None and (problem := zone_problem(zone)):
        causes.append(errors.invalid_value("spec.timeZone", zone, problem))
    name = new["metadata"].get("name", "")
    if old is None and len(name) > _LONGEST_NAME:
        detail = f"must be no more than {_LONGEST_NAME} characters"
        causes.append(errors.invalid_value("metadata.name", name, detail))
    return causes

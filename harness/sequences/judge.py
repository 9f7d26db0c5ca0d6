"""Judges a history: the events of each instance must be a word of the diagram's language.

A history that ends in the middle of the diagram does not follow it, unless the rest is optional. Verdicts depend only
on the diagram and the events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from harness.core.errors import UsageError
from harness.core.history import Event
from harness.sequences.diagnosis import diagnose
from harness.sequences.flows import Sequence, load
from harness.sequences.instances import Instance, collect, unknown_participants
from harness.sequences.matcher import Letter
from harness.sequences.verdict import InstanceVerdict, SequenceVerdict
from harness.sequences.words import letters
from harness.wasmbed.resources.extent import Extent, extent_of

__all__ = ["judge"]

_DIAGNOSED = 10
"""Failed instances that are diagnosed; for the others only the place is reported."""


def judge(sequence: Sequence | str, events: Iterable[Event], only: Collection[str] = ()) -> SequenceVerdict:
    """Judge ``events`` by ``sequence`` (or the name of one).

    Each device (or application on a device) with an event of the diagram is judged; with ``only``, those devices or
    applications. If there is none to judge, the verdict is not ok.

    Raises UsageError for a pending sequence or an invalid history.
    """
    sequence = load(sequence) if isinstance(sequence, str) else sequence
    if sequence.pending:
        raise UsageError(f"cannot be judged yet: {sequence.pending}", where=f"sequence {sequence.name}")
    events = list(events)
    extent = extent_of(events)
    if extent:
        sequence, events = sequence.within(extent), [event for event in events if _has_place(event, extent)]
    found = collect(sequence.events, sequence.subject, events, sequence.refusals)
    instances: list[InstanceVerdict] = []
    shared: dict[int, int] = {}
    diagnosed = 0
    for instance, word in found.words.items():
        if only and not {instance.name, instance.device} & set(only):
            continue
        verdict = _judge_instance(sequence, instance, word, letters(sequence, instance, word, shared))
        if not verdict.ok:
            diagnosed += 1
            if diagnosed <= _DIAGNOSED:
                verdict = replace(verdict, finding=diagnose(sequence, verdict))
        instances.append(verdict)
    remarks = list(found.remarks)
    if unknown := unknown_participants(events):
        remarks.append(f"unknown participants: {', '.join(unknown)}")
    return SequenceVerdict(sequence, tuple(instances), tuple(remarks), tuple(sorted(only)))


def _has_place(event: Event, extent: Extent) -> bool:
    """Whether an event has a place in a diagram: a watch event without a phase, where a phase may be lacking, has none.
    With all phases it would be the news of one."""
    verb, _, kind = event.name.partition(" ")
    without = event.source == "Kubernetes" and verb == "MODIFIED" and extent.phases(kind)
    return not without or "phase" in (event.data.get("status") or {})


def _judge_instance(
    sequence: Sequence, instance: Instance, word: list[Event], word_letters: list[Letter]
) -> InstanceVerdict:
    matcher = sequence.matcher
    possible = matcher.start
    for index, letter in enumerate(word_letters):
        after = matcher.step(possible, letter)
        if not after:
            return InstanceVerdict(instance, tuple(word), index, tuple(matcher.expected(possible)))
        possible = after
    if matcher.accepting(possible) is None:
        return InstanceVerdict(instance, tuple(word), len(word), tuple(matcher.expected(possible)))
    return InstanceVerdict(instance, tuple(word), None, ())

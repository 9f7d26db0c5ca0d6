"""The record of a watch event follows the write that caused it, however late that is answered."""

from __future__ import annotations

import pytest

from harness.clusters.existing.causality import Causality
from harness.core.order import Order
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE


class Scene:
    """Clients of a cluster, and the record of its tap."""

    def __init__(self):
        self.told = []
        self.order = Order()
        self.causality = Causality(self.order)

    def send(self, name="d", *, deletes=False, resource=DEVICE):
        return self.causality.sent(resource, "ns", name, deletes=deletes)

    def answer(self, write, version, what, **metadata):
        made = {"metadata": {"resourceVersion": str(version), **metadata}} if version else None
        self.causality.place(write, made)(lambda: self.told.append(what))
        self.causality.ended(write)

    def refuse(self, write, what):
        self.order.put(lambda: self.told.append(what))
        self.causality.ended(write)

    def event(self, version, kind="MODIFIED", name="d", *, resource=DEVICE, **metadata):
        stored = {"metadata": {"namespace": "ns", "name": name, "resourceVersion": str(version), **metadata}}
        self.causality.delivered(resource, kind, stored)
        self.order.put(lambda: self.told.append(f"{kind} {version}"))


@pytest.fixture
def scene():
    return Scene()


def test_an_event_waits_for_the_answer_to_the_write_that_made_it(scene):
    write = scene.send()
    scene.event(7)
    scene.order.put(lambda: scene.told.append("what it led to"))
    assert scene.told == []
    scene.answer(write, 7, "PATCH")
    assert scene.told == ["PATCH", "MODIFIED 7", "what it led to"]


def test_an_event_of_an_answered_write_does_not_wait(scene):
    scene.answer(scene.send(), 7, "PATCH")
    scene.event(7)
    assert scene.told == ["PATCH", "MODIFIED 7"]


def test_an_event_that_is_older_than_the_write_does_not_wait(scene):
    scene.event(7)
    write = scene.send()
    scene.event(7)  # on another watch
    assert scene.told == ["MODIFIED 7", "MODIFIED 7"]
    scene.answer(write, 8, "PATCH")


def test_another_object_or_type_does_not_wait(scene):
    write = scene.send("d")
    scene.event(8, name="other")
    scene.event(9, resource=APPLICATION)
    assert scene.told == ["MODIFIED 8", "MODIFIED 9"]
    scene.answer(write, 10, "PATCH")


def test_each_of_two_writes_goes_before_its_own_event(scene):
    first, second = scene.send(), scene.send()
    scene.event(7)
    scene.event(8)
    scene.answer(second, 8, "second")
    scene.answer(first, 7, "first")
    assert scene.told == ["first", "MODIFIED 7", "second", "MODIFIED 8"]


def test_somebody_elses_event_waits_only_until_the_answer_shows_that_it_is_not_ours(scene):
    write = scene.send()
    scene.event(7)  # kubectl's
    scene.answer(write, 8, "PATCH")
    scene.event(8)
    assert scene.told == ["MODIFIED 7", "PATCH", "MODIFIED 8"]


def test_a_write_that_was_refused_caused_nothing(scene):
    write = scene.send()
    scene.event(7)
    scene.refuse(write, "409")
    assert scene.told == ["MODIFIED 7", "409"]


def test_an_answer_that_never_comes_keeps_nothing_back_for_ever(scene):
    write = scene.send()
    scene.event(7)
    scene.causality.ended(write)
    assert scene.told == ["MODIFIED 7"]


def test_a_write_that_changed_nothing_is_told_where_it_was_answered(scene):
    scene.event(7)
    write = scene.send()
    scene.event(8)
    scene.answer(write, 7, "PATCH")
    assert scene.told == ["MODIFIED 7", "MODIFIED 8", "PATCH"]


@pytest.mark.parametrize("event", [{"kind": "DELETED"}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}])
def test_a_deletion_goes_before_the_events_of_the_end(scene, event):
    write = scene.send(deletes=True)
    scene.event(7)
    scene.event(8, **event)
    scene.answer(write, 0, "DELETE")
    assert scene.told == ["MODIFIED 7", "DELETE", f"{event.get('kind', 'MODIFIED')} 8"]


def test_who_takes_the_last_finalizer_off_goes_before_the_end(scene):
    """The answer then shows the object's last version, and not the one at which it went."""
    scene.event(7, deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["x"])
    write = scene.send()
    scene.event(8, "DELETED", deletionTimestamp="2026-01-01T00:00:00Z")
    scene.answer(write, 7, "PATCH", deletionTimestamp="2026-01-01T00:00:00Z")
    assert scene.told == ["MODIFIED 7", "PATCH", "DELETED 8"]


def test_a_name_that_the_server_makes_up_waits_like_any(scene):
    write = scene.send("")
    scene.event(7, "ADDED", name="d-x7k2p")
    scene.answer(write, 7, "POST")
    assert scene.told == ["POST", "ADDED 7"]

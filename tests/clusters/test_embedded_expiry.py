"""Events do not stay for ever."""

from __future__ import annotations

from typing import Any

from harness.clusters.embedded.expiry import EVENT_SECONDS

EVENTS = "/api/v1/namespaces/default/events"


def event(name: str) -> dict[str, Any]:
    about = {"kind": "Widget", "name": "one", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}, "involvedObject": about, "reason": "Made"}


async def names(api: Any) -> list[str]:
    return [item["metadata"]["name"] for item in (await api("GET", EVENTS))["items"]]


async def test_an_event_is_gone_an_hour_after_it_was_last_written(api: Any) -> None:
    await api("POST", EVENTS, event("old"))
    await api("POST", EVENTS, event("repeated"))
    await api.clock.advance(EVENT_SECONDS - 60)
    await api("PATCH", f"{EVENTS}/repeated", {"count": 2}, "application/merge-patch+json")
    await api(
        "POST",
        "/apis/events.k8s.io/v1/namespaces/default/events",
        {
            "metadata": {"name": "grouped"},
            "regarding": event("x")["involvedObject"],
            "reason": "Made",
        },
    )
    assert await names(api) == ["grouped", "old", "repeated"]
    watch = await api.ask("GET", f"{EVENTS}?watch=true&resourceVersion=")
    await api.lines(watch)
    await api.clock.advance(60)
    assert await names(api) == ["grouped", "repeated"]
    assert [(line["type"], line["object"]["metadata"]["name"]) for line in await api.lines(watch)] == [
        ("DELETED", "old")
    ]
    await api.clock.advance(EVENT_SECONDS)
    assert await names(api) == []


async def test_events_of_a_snapshot_go_an_hour_after_it_was_loaded(api: Any) -> None:
    await api("POST", EVENTS, event("old"))
    await api.clock.advance(EVENT_SECONDS - 1)
    api.server.load(api.server.dump())
    await api.clock.advance(EVENT_SECONDS - 1)
    assert await names(api) == ["old"]
    await api.clock.advance(1)
    assert await names(api) == []

"""Versions that readers name: any, old, of the future; and how watches are asked for."""

from __future__ import annotations

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"


async def filled(api, count=3):
    for number in range(count):
        await api("POST", MAPS, {"metadata": {"name": f"m{number}"}})


async def test_any_version_is_sent_as_a_whole(api):
    await filled(api)
    listed = await api("GET", f"{MAPS}?limit=1&resourceVersion=0")
    assert len(listed["items"]) == 3
    assert "continue" not in listed["metadata"]
    assert len((await api("GET", f"{MAPS}?limit=1"))["items"]) == 1


async def test_a_forgotten_version_is_gone(api):
    await filled(api)
    old = api.server.version - 2
    api.server.forget_changes()
    watch = await api.ask("GET", f"{MAPS}?watch=true&resourceVersion={old}")
    (line,) = await api.lines(watch)
    assert (line["type"], line["object"]["code"], line["object"]["reason"]) == ("ERROR", 410, "Expired")
    code, reason, _ = await api.refused("GET", f"{MAPS}?resourceVersion={old}&resourceVersionMatch=Exact")
    assert (code, reason) == (410, "Expired")


async def test_a_watch_from_the_future_waits_for_it(api):
    version = api.server.version + 2
    watch = await api.ask("GET", f"{MAPS}?watch=true&resourceVersion={version}")
    await filled(api, 2)
    assert await api.lines(watch) == []
    await api("POST", MAPS, {"metadata": {"name": "later"}})
    assert [line["object"]["metadata"]["name"] for line in await api.lines(watch)] == ["later"]


async def test_a_list_from_the_future_says_when_to_come_again(api):
    answer = await api.ask("GET", f"{MAPS}?resourceVersion=99999")
    assert (answer.status, answer.headers["Retry-After"]) == (504, "1")


@pytest.mark.parametrize("word", ["true", "True", "1", "yes", ""])
async def test_words_that_ask_for_a_watch(api, word):
    assert (await api.ask("GET", f"{MAPS}?watch={word}")).watcher is not None


@pytest.mark.parametrize("word", ["false", "False", "0"])
async def test_words_that_do_not(api, word):
    assert (await api.ask("GET", f"{MAPS}?watch={word}")).watcher is None


async def test_an_object_by_its_name_is_not_watched(api):
    await filled(api, 1)
    answer = await api.ask("GET", f"{MAPS}/m0?watch=true")
    assert answer.watcher is None
    assert answer.content.value()["metadata"]["name"] == "m0"

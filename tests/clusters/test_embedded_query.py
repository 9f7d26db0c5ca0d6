"""Query parameters are read as Kubernetes reads them: each kind by its own rule, the first where one comes twice."""

from __future__ import annotations

import pytest

from harness.clusters.embedded.query import integer, is_pretty
from harness.clusters.requests import boolean

APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"
BOOKMARKS = "watch=1&resourceVersionMatch=NotOlderThan"


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "t", "1", "yes", "no", "", "2", "on", "00"])
def test_a_boolean_is_true_unless_it_is_false(text):
    assert boolean({"watch": text}, "watch") is True


@pytest.mark.parametrize("text", ["0", "false", "False", "FALSE", "fAlSe"])
def test_a_boolean_is_false_by_these_words_only(text):
    assert boolean({"watch": text}, "watch") is False
    assert boolean({}, "watch") is None


def test_pretty_alone_is_read_by_the_rules_of_go():
    assert all(is_pretty({"pretty": text}, "") for text in ("1", "t", "T", "TRUE", "true", "True"))
    assert not any(is_pretty({"pretty": text}, "curl/8") for text in ("0", "f", "false", "yes", "tRUE", "2"))
    assert [is_pretty({}, agent) for agent in ("curl/8.1", "Wget/1", "Mozilla/5.0 (X)", "kubectl/v1")] == [True] * 3 + [
        False
    ]


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("+5", 5), ("-1", -1), ("007", 7), (str((1 << 63) - 1), (1 << 63) - 1)]
)
def test_a_number(text, value):
    assert integer({"limit": text}, "limit") == value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "invalid syntax"),
        ("x", "invalid syntax"),
        ("1.0", "invalid syntax"),
        ("٣", "invalid syntax"),
        ("1_0", "invalid syntax"),
        (str(1 << 63), "value out of range"),
        ("9" * 5000, "value out of range"),
    ],
)
async def test_what_is_not_a_number(api, text, why):
    for query in (f"limit={text}", f"watch=True&timeoutSeconds={text}"):
        code, _, status = await api.refused("GET", f"{WIDGETS}?{query}")
        assert (code, status["message"]) == (400, f'strconv.ParseInt: parsing "{text}": {why}')


@pytest.mark.parametrize("word", ["True", "TRUE", "1", "t", "yes", ""])
async def test_a_watch_by_any_word_for_true(api, word):
    await api("POST", WIDGETS, api.widget())
    response = await api.ask("GET", f"{WIDGETS}?watch={word}")
    (event,) = await api.lines(response)
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "one")


@pytest.mark.parametrize("word", ["False", "0", "false"])
async def test_a_list_where_the_watch_is_false(api, word):
    assert (await api("GET", f"{WIDGETS}?watch={word}"))["kind"] == "WidgetList"


async def test_the_options_of_a_watch(api):
    await api("POST", WIDGETS, api.widget())
    response = await api.ask("GET", f"{WIDGETS}?{BOOKMARKS}&sendInitialEvents=True&allowWatchBookmarks=True")
    added, bookmark = await api.lines(response)
    assert (added["type"], bookmark["type"]) == ("ADDED", "BOOKMARK")
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    response = await api.ask("GET", f"{WIDGETS}?{BOOKMARKS}&sendInitialEvents=False&allowWatchBookmarks=0")
    assert await api.lines(response) == []
    response = await api.ask("GET", f"{WIDGETS}?watch=True&resourceVersion={api.server.version}&timeoutSeconds=-5")
    assert await api.lines(response) == ["END"]
    response = await api.ask("GET", f"{WIDGETS}?watch=True&timeoutSeconds={1 << 62}")
    assert len(await api.lines(response)) == 1
    await api.clock.advance(60 * 86_400)
    assert api.server.watch_count() == 2


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "watch=1&sendInitialEvents=true",
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            "watch=1&resourceVersionMatch=NotOlderThan",
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
            "provided",
        ),
        (
            "resourceVersionMatch=Exact",
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            "resourceVersionMatch=Exact&resourceVersion=0",
            'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
        ),
        ("sendInitialEvents=false", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
        (
            "resourceVersionMatch=x&resourceVersion=1",
            'resourceVersionMatch: Unsupported value: "x": supported values: "Exact", "NotOlderThan", ""',
        ),
    ],
)
async def test_options_of_lists_that_contradict_each_other(api, query, message):
    code, reason, status = await api.refused("GET", f"{WIDGETS}?{query}")
    assert (code, reason) == (422, "Invalid")
    assert status["message"] == f'ListOptions.meta.k8s.io "" is invalid: {message}'


async def test_a_negative_limit_is_none(api):
    for name in ("a", "b"):
        await api("POST", WIDGETS, api.widget(name))
    listed = await api("GET", f"{WIDGETS}?limit=-1")
    assert len(listed["items"]) == 2
    assert listed["metadata"]["continue"] == ""


async def test_force(api):
    path = f"{WIDGETS}/one?fieldManager="
    await api("PATCH", f"{path}a", api.widget(size=1), APPLY)
    assert (await api.refused("PATCH", f"{path}b&force=False", api.widget(size=2), APPLY))[0] == 409
    forced = await api("PATCH", f"{path}b&force=True", api.widget(size=2), APPLY)
    assert forced["spec"]["size"] == 2
    for word in ("true", "false"):
        _, _, status = await api.refused("PATCH", f"{path}b&force={word}", {"spec": {"size": 3}}, MERGE_PATCH)
        assert status["message"].endswith("force: Forbidden: may not be specified for non-apply patch")


@pytest.mark.parametrize(
    ("method", "kind"), [("POST", "Create"), ("PUT", "Update"), ("PATCH", "Patch"), ("DELETE", "Delete")]
)
async def test_a_dry_run_is_of_all_or_an_error_of_the_verbs_options(api, method, kind):
    await api("POST", WIDGETS, api.widget())
    path = WIDGETS if method == "POST" else f"{WIDGETS}/one"
    for value, shown in (("Some", '"Some"'), ("", '""'), ("all", '"all"')):
        body, media = (b"" if method == "DELETE" else {}), MERGE_PATCH if method == "PATCH" else "application/json"
        code, _, status = await api.refused(method, f"{path}?dryRun={value}", body, media)
        assert (code, status["message"]) == (
            422,
            f'{kind}Options.meta.k8s.io "" is invalid: dryRun: Unsupported value: [{shown}]: supported values: "All"',
        )
    if kind in ("Create", "Update"):
        _, _, status = await api.refused(method, f"{path}?fieldValidation=Some", api.widget())
        assert status["message"] == (
            f'{kind}Options.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Some": supported '
            'values: "", "Ignore", "Strict", "Warn"'
        )


async def test_the_options_of_a_deletion_are_its_body_or_else_its_query(api):
    await api("POST", WIDGETS, api.widget())
    await api("DELETE", f"{WIDGETS}/one?dryRun=All")
    refused = await api.refused("DELETE", f"{WIDGETS}/one?propagationPolicy=Some")
    assert refused[2]["message"] == (
        'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Some": supported values: '
        '"Foreground", "Background", "Orphan", "nil"'
    )
    both = {"propagationPolicy": "Orphan", "orphanDependents": True}
    assert (await api.refused("DELETE", f"{WIDGETS}/one", both))[0] == 422
    assert (await api.refused("DELETE", f"{WIDGETS}/one?gracePeriodSeconds=x"))[0] == 400
    owner = await api("GET", f"{WIDGETS}/one")
    reference = {"apiVersion": "example.org/v1", "kind": "Widget", "name": "one", "uid": owner["metadata"]["uid"]}
    two = api.widget("two")
    two["metadata"]["ownerReferences"] = [reference]
    await api("POST", WIDGETS, two)
    await api("DELETE", f"{WIDGETS}/one?orphanDependents=True")
    assert "ownerReferences" not in (await api("GET", f"{WIDGETS}/two"))["metadata"]
    await api("DELETE", f"{WIDGETS}/two?dryRun=All", {"gracePeriodSeconds": 0})
    assert (await api.refused("GET", f"{WIDGETS}/two"))[0] == 404


async def test_a_resource_version_beyond_64_bits(api):
    code, _, status = await api.refused("GET", f"{WIDGETS}?resourceVersion={'9' * 5000}")
    assert code == 400
    assert status["message"].endswith("value out of range")

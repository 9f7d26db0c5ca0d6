"""Small requests that ask for much work: each is refused with its Status, or costs what its size allows.

Those that once took minutes are as large here as a request may be: were they what they were, the test would not end.
"""

from __future__ import annotations

import pytest

from harness.clusters.embedded.budget import Budget, OutOfBudget
from harness.clusters.embedded.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH

APPLY = "application/apply-patch+yaml"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.org/v1/namespaces/default/widgets"
GADGETS = "/apis/example.org/v1/namespaces/default/gadgets"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
TOO_MUCH = "Forbidden: the object takes more work than one request may cause"


def gadgets(api, spec, **changes):
    """The definition of a type whose spec has this schema."""
    schema = {"type": "object", "properties": {"spec": spec}}
    made = api.definition(schema={"openAPIV3Schema": schema}, selectableFields=[], **changes)
    made["metadata"]["name"] = "gadgets.example.org"
    made["spec"]["names"] = {"plural": "gadgets", "kind": "Gadget"}
    return made


def gadget(**spec):
    return {"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": "one"}, "spec": spec}


def listing(items):
    return {"type": "object", "properties": {"list": {"type": "array", "items": items}}}


def alternatives(count):
    return {"type": "object", "anyOf": [*({"required": [f"r{number}"]} for number in range(count)), {}]}


ODDS = "^[ab]{900}c"
"""A pattern with a large automaton: what it may cost is its size times the length of the text."""


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        (
            listing(
                {"type": "object", "properties": {f"p{n}": {"type": "integer", "default": n} for n in range(5000)}}
            ),
            {"list": [{}] * 900_000},
        ),
        (
            listing({"type": "object", "properties": {"a": {"type": "string", "default": "x" * 100_000}}}),
            {"list": [{}] * 900_000},
        ),
        (listing(alternatives(10_000)), {"list": [{}] * 900_000}),
        ({"type": "object", "properties": {"text": {"type": "string", "pattern": ODDS}}}, {"text": "ab" * 1_000_000}),
        (
            listing({"type": "string", "pattern": f"^({ODDS}|[ab]*)$"}),
            {"list": ["ab" * 500] * 2000},
        ),
    ],
    ids=["defaults", "large default", "alternatives", "pattern", "patterns"],
)
async def test_a_body_that_multiplies_itself_in_a_schema_is_refused(api, spec, wanted):
    await api("POST", DEFINITIONS, gadgets(api, spec))
    code, reason, status = await api.refused("POST", GADGETS, gadget(**wanted))
    assert (code, reason) == (422, "Invalid")
    assert TOO_MUCH in status["message"]
    assert (await api.refused("GET", f"{GADGETS}/one"))[0] == 404


async def test_what_a_schema_may_ask_of_a_plain_object_is_far_below_the_limit(api):
    spec = listing({"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 253})
    await api("POST", DEFINITIONS, gadgets(api, spec))
    await api("POST", GADGETS, gadget(list=[f"device-{number}" for number in range(50_000)]))


@pytest.mark.parametrize(
    ("properties", "field"),
    [
        ({f"p{number}": {"type": "string", "pattern": rf"\pL{{200}}{number}"} for number in range(10_000)}, "pattern"),
        ({f"p{number}": {"type": "string", "pattern": f"^a{{1,900}}{number}"} for number in range(20_000)}, "pattern"),
    ],
    ids=["classes", "repetitions"],
)
async def test_a_definition_whose_patterns_take_long_to_compile_is_refused(api, properties, field):
    _, reason, status = await api.refused(
        "POST", DEFINITIONS, gadgets(api, {"type": "object", "properties": properties})
    )
    assert reason == "Invalid"
    assert TOO_MUCH in status["message"]


async def test_a_definition_has_a_thousand_columns_at_most(api):
    column = {"name": "A", "type": "string", "jsonPath": ".a"}
    definition = gadgets(api, {"type": "object"}, additionalPrinterColumns=[column] * 1001)
    _, _, status = await api.refused("POST", DEFINITIONS, definition)
    assert "additionalPrinterColumns: Too many: 1001: must have at most 1000 items" in status["message"]


async def test_a_large_set_is_checked_for_duplicates_by_hashing(api):
    tags = [f"t{number}" for number in range(30_000)]
    await api("POST", WIDGETS, api.widget(tags=tags))
    _, _, status = await api.refused("PATCH", f"{WIDGETS}/one", {"spec": {"tags": [*tags, "t0"]}}, MERGE_PATCH)
    assert 'spec.tags[30000]: Duplicate value: "t0"' in status["message"]


async def test_who_owns_a_large_set_is_known_up_to_a_limit(api):
    def applied(tags):
        return api.widget(tags=tags)

    path = f"{WIDGETS}/one?fieldManager=a"
    tags = [f"t{number}" for number in range(20_000)]
    await api("PATCH", path, applied(tags), APPLY)
    left = await api("PATCH", path, applied(tags[1:]), APPLY)
    assert left["spec"]["tags"] == tags[1:]
    more = [f"t{number}" for number in range(300_000)]
    _, reason, status = await api.refused("PATCH", path, applied(more), APPLY)
    assert reason == "Invalid"
    assert TOO_MUCH in status["message"]


async def test_large_lists_with_keys_are_applied_and_given_up(api):
    ports = [{"name": f"p{number}", "port": number} for number in range(10_000)]
    await api("PATCH", f"{WIDGETS}/one?fieldManager=a", api.widget(ports=ports), APPLY)
    other = [{**port, "port": 1} for port in ports[:5000]]
    code, _, status = await api.refused("PATCH", f"{WIDGETS}/one?fieldManager=b", api.widget(ports=other), APPLY)
    assert code == 409
    assert status["message"].startswith('Apply failed with 4999 conflicts: conflicts with "a":\n- .spec.ports[')
    given_up = await api("PATCH", f"{WIDGETS}/one?fieldManager=a", api.widget(ports=ports[:1]), APPLY)
    assert given_up["spec"]["ports"] == [{"name": "p0", "port": 0, "protocol": "TCP"}]


async def test_a_strategic_patch_of_a_large_list_finds_its_items_by_their_keys(api):
    services = "/api/v1/namespaces/default/services"
    ports = [{"name": f"p{number}", "port": number + 1} for number in range(5_000)]
    await api("POST", services, {"metadata": {"name": "s"}, "spec": {"ports": ports}})
    order = [{"port": port["port"]} for port in reversed(ports)]
    change = [{"port": port["port"], "name": f"q{port['port']}"} for port in reversed(ports)]
    patch = {"spec": {"ports": change, "$setElementOrder/ports": order}}
    patched = await api("PATCH", f"{services}/s", patch, STRATEGIC_PATCH)
    assert [port["name"] for port in patched["spec"]["ports"][:2]] == ["q5000", "q4999"]


async def test_copies_in_a_json_patch_are_bounded_by_what_they_add(api):
    await api("POST", WIDGETS, api.widget(anything={"a": "x"}))
    bomb = [{"op": "copy", "from": "/spec/anything", "path": f"/spec/anything/c{number}"} for number in range(40)]
    code, reason, status = await api.refused("PATCH", f"{WIDGETS}/one", bomb, JSON_PATCH)
    assert (code, reason) == (422, "Invalid")
    assert status["message"] == (
        "Unable to complete the copy, the accumulated size increase of copy is 3932284, exceeding the limit 3145728"
    )
    few = [{"op": "copy", "from": "/spec/anything/a", "path": "/spec/anything/b"}]
    assert (await api("PATCH", f"{WIDGETS}/one", few, JSON_PATCH))["spec"]["anything"] == {"a": "x", "b": "x"}


async def test_a_json_patch_may_not_shift_a_long_list_ten_thousand_times(api):
    await api("POST", WIDGETS, api.widget(anything={"a": [1] * 700_000}))
    for operation in (
        {"op": "add", "path": "/spec/anything/a/0", "value": 1},
        {"op": "remove", "path": "/spec/anything/a/0"},
        {"op": "move", "from": "/spec/anything/a/0", "path": "/spec/anything/a/1000"},
    ):
        _, reason, status = await api.refused("PATCH", f"{WIDGETS}/one", [operation] * 10_000, JSON_PATCH)
        assert reason == "Invalid"
        assert TOO_MUCH in status["message"]
    assert len((await api("GET", f"{WIDGETS}/one"))["spec"]["anything"]["a"]) == 700_000


async def test_the_refusal_of_a_failed_json_patch_test_quotes_only_the_beginning(api):
    await api("POST", WIDGETS, api.widget(anything={"a": "x" * 100_000}))
    test = [{"op": "test", "path": "/spec/anything", "value": {}}]
    _, _, status = await api.refused("PATCH", f"{WIDGETS}/one", test, JSON_PATCH)
    assert status["message"] == "the server rejected our request due to an error in our request"


async def test_a_refusal_lists_a_hundred_of_a_thousand_faults(api):
    _, _, status = await api.refused("POST", WIDGETS, api.widget(tags=[1] * 1_000_000))
    assert len(status["details"]["causes"]) == 100
    unknown = {f"f{number}": 1 for number in range(100_000)}
    answer = await api.ask("POST", WIDGETS, api.widget(**unknown))
    assert len(answer.warnings) == 100


async def test_a_selector_costs_by_the_labels_of_an_object_and_asks_for_all_it_says(api):
    for name, labels in (("a", {"x": "1", "n": "5"}), ("b", {"x": "2", "y": ""}), ("c", {})):
        await api("POST", CONFIG_MAPS, {"metadata": {"name": name, "labels": labels}})

    async def found(selector):
        listed = await api("GET", f"{CONFIG_MAPS}?labelSelector={selector}")
        return "".join(item["metadata"]["name"] for item in listed["items"])

    absent = ",".join(f"!k{number}" for number in range(2000))
    assert await found(absent) == "abc"
    assert await found(absent + ",x") == "ab"
    assert await found(",".join(f"x!=v{number}" for number in range(1000))) == "abc"
    assert await found("x in (1,2),x notin (2)") == "a"
    assert await found("x in (1,2),x in (2,3)") == "b"
    assert await found("x=1,x=2") == ""
    assert await found("x!=1,x!=2") == "c"
    assert await found("y=,y") == "b"
    assert await found("n%3E4,n%3E3,n%3C6") == "a"
    assert await found("x%3E1") == "b"


async def test_a_page_of_a_large_list_holds_what_it_says(api):
    for number in range(30):
        labels = {"odd": str(number % 2)}
        await api("POST", CONFIG_MAPS, {"metadata": {"name": f"c{number:02}", "labels": labels}})
    page = await api("GET", f"{CONFIG_MAPS}?limit=10")
    assert page["metadata"]["remainingItemCount"] == 20
    page = await api("GET", f"{CONFIG_MAPS}?limit=10&labelSelector=odd%3D1")
    assert [item["metadata"]["name"] for item in page["items"]][-1] == "c19"
    rest = await api("GET", f"{CONFIG_MAPS}?limit=10&labelSelector=odd%3D1&continue={page['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in rest["items"]] == ["c21", "c23", "c25", "c27", "c29"]
    assert "continue" not in rest["metadata"]


def test_a_budget_is_spent_once():
    budget = Budget(3)
    budget.spend(3)
    with pytest.raises(OutOfBudget) as caught:
        budget.spend(1, "spec.a")
    assert caught.value.path == "spec.a"


async def test_an_object_does_not_grow_without_end_patch_by_patch(api):
    await api("POST", WIDGETS, api.widget())
    for number in range(3):
        patch = {"spec": {"anything": {f"p{number}": "x" * 500_000}}}
        await api("PATCH", f"{WIDGETS}/one", patch, MERGE_PATCH)
    patch = {"spec": {"anything": {"more": "x" * 500_000}}}
    code, _, status = await api.refused("PATCH", f"{WIDGETS}/one", patch, MERGE_PATCH)
    assert (code, status["message"]) == (500, "etcdserver: request is too large")


async def test_large_changes_are_kept_for_watches_up_to_a_size(api):
    await api("POST", WIDGETS, api.widget())
    start = api.server.version
    for number in range(70):
        patch = {"spec": {"anything": {"a": f"{number:02d}" * 500_000}}}
        await api("PATCH", f"{WIDGETS}/one", patch, MERGE_PATCH)
    (gone,) = (await api.lines(await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={start}")))[:1]
    assert (gone["type"], gone["object"]["code"]) == ("ERROR", 410)
    late = await api.ask("GET", f"{WIDGETS}?watch=1&resourceVersion={api.server.version - 20}")
    assert len(await api.lines(late)) > 0

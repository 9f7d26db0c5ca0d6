"""Requests that cause much work: the embedded server counts it and refuses what would stop its event loop."""

from __future__ import annotations

from tests.clusters.differential.requests import OBJECTS, Theme, apply, custom, definition, patch, post

_LIMITED = "the server shares its process with the tests: the work of one request is limited"
_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": r"^([\pL\pN]{1,250}-)*$"},
                "map": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        }
    },
}


def _thing(**spec: object) -> dict[str, object]:
    return {"apiVersion": "$GROUP/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": spec}


def _members(count: int) -> dict[str, str]:
    return {f"k{number}": "v" for number in range(count)}


THEME = Theme(
    "costs",
    "The work of one request",
    [
        *custom(definition(_SCHEMA)),
        post("a pattern and a short text", f"{OBJECTS}?dryRun=All", _thing(name="aaaa-" * 20)),
        post("a pattern and a long text", f"{OBJECTS}?dryRun=All", _thing(name="aaaa-" * 20_000), stays=_LIMITED),
        apply("apply of a thousand members", f"{OBJECTS}/one", _thing(map=_members(1000))),
        apply("apply of other members by another", f"{OBJECTS}/one", _thing(map={"x": "y"}), manager="other"),
        apply("apply of fewer members", f"{OBJECTS}/one", _thing(map=_members(10))),
        patch("merge patch of 50,000 members", f"{OBJECTS}/one?dryRun=All", {"spec": {"map": _members(50_000)}},
              until=(200,)),  # a server on a loaded machine may take more time than it has
        patch("JSON patch of 9,000 operations", f"{OBJECTS}/one?dryRun=All",
              [{"op": "add", "path": f"/spec/map/n{number}", "value": "v"} for number in range(9_000)], "json"),
    ],
)  # fmt: skip

"""Lists in pages, by name."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from harness.wasmbed.api.operation import Body
from harness.wasmbed.resources.api import Object

__all__ = ["Page", "PageQuery", "page_of"]

LARGEST = 10_000


class PageQuery(Body):
    """Which part of a list."""

    limit: Annotated[int, Field(ge=1, le=LARGEST, description="Entries in the answer, at most.")] = 1000
    after: Annotated[
        str, Field(max_length=253, description="Only names behind this one: the `next` of the page before.")
    ] = ""


class Page(TypedDict):
    """The place of a page in its list."""

    total: Annotated[int, Field(description="Entries that fit the filters, in all pages.")]
    next: Annotated[str | None, Field(description="The `after` of the next page; null in the last one.")]


def page_of(
    objects: Mapping[str, Object], query: PageQuery, fits: Callable[[Object], bool], shape: Callable[[Object], Any]
) -> tuple[list[Any], Page]:
    """Return the shapes of a page, and where it stands."""
    names = sorted(name for name, each in objects.items() if fits(each))
    begin = bisect_right(names, query.after) if query.after else 0
    chosen = names[begin : begin + query.limit]
    more = begin + len(chosen) < len(names)
    return [shape(objects[name]) for name in chosen], {"total": len(names), "next": chosen[-1] if more else None}

"""The reference page."""

import re
from html.parser import HTMLParser

from harness.wasmbed.api.reference_page import reference_page
from tests.api.world import World


class Page(HTMLParser):
    """``ids`` of elements, ``links``, and what is loaded from elsewhere."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))
        if "src" in given or tag in ("script", "link"):
            self.loaded.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_the_page_has_every_operation_and_its_links_lead_somewhere(world: World) -> None:
    text = (await world.ask("GET", "/docs", role="")).decode()
    page = Page(text)
    assert page.open == []
    assert page.loaded == []
    document = await world.ask("GET", "/openapi.json", role="")
    names = [each["operationId"] for item in document["paths"].values() for each in item.values()]
    assert set(names) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert [each for each in page.links if each.startswith("#") and each[1:] not in page.ids] == []
    assert {each for each in page.links if not each.startswith("#")} == {"/openapi.json"}


async def test_the_page_may_load_nothing(world: World) -> None:
    async with world.session.get("/docs") as answer:
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_what_a_document_says_is_text() -> None:
    operation = {"operationId": "a", "summary": "<script>alert(1)</script>", "responses": {}}
    document = {
        "info": {"title": "<b>", "version": "1", "description": "&"},
        "paths": {"/<i>": {"get": operation}},
        "components": {"schemas": {}},
    }
    assert re.findall(r"<script|<b>|<i>", reference_page(document).decode()) == []

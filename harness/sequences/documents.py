"""Reads diagrams from files: a ``.mmd`` file is a diagram, a Markdown file has one in each Mermaid block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from harness.core.files import read_text
from harness.sequences.reader import parse
from harness.sequences.scanner import DiagramError, is_sequence_diagram
from harness.sequences.tree import Diagram, plain

__all__ = ["Document", "read_documents"]

_COMMONMARK = MarkdownIt("commonmark")
_MDX = MarkdownIt("commonmark").disable("html_block")
"""MDX has tags with Markdown inside instead of HTML blocks, and no code by indentation."""
_MARKDOWN = {".md": _COMMONMARK, ".markdown": _COMMONMARK, ".mdx": _MDX}
_MERMAID = re.compile(r"mermaid(?=$|[\s{])|(?P<directive>\{\.?mermaid(?=[}\s]))")
"""A fence's info string as on GitHub, as a directive (MyST), or as an attribute (Pandoc)."""
_INDENTED_FENCE = re.compile(r"^[ \t]+(?=```|~~~)", re.MULTILINE)
_OPTION = re.compile(r"\s*:[\w-]+:(\s|$)")
_LINE_END = re.compile(r"\r\n|\n|\r")
"""CommonMark's line ends. U+2028 and U+0085 are ordinary characters."""


@dataclass(frozen=True, slots=True)
class Document:
    """A diagram, the first line of its text, and the heading above it, for a diagram without a title."""

    diagram: Diagram
    line: int
    heading: str | None = None

    @property
    def title(self) -> str | None:
        return self.diagram.title or self.heading

    def summary(self) -> dict[str, Any]:
        """Title, participants, arrows, and fragments, as values for JSON."""
        return {
            "title": self.title,
            "line": self.line,
            "participants": [
                {"name": item.name, "title": item.title, "kind": "actor" if item.actor else "participant"}
                for item in self.diagram.participants
            ],
            "arrows": [
                {
                    "source": arrow.source,
                    "form": arrow.form,
                    "target": arrow.target,
                    "text": plain(arrow.text),
                    "line": arrow.line,
                }
                for arrow in self.diagram.arrows
            ],
            "fragments": [
                {
                    "kind": fragment.kind,
                    "labels": [" ".join(plain(section.label)) for section in fragment.sections],
                    "depth": depth,
                    "line": fragment.line,
                }
                for depth, fragment in self.diagram.fragments
            ],
        }


def read_documents(path: Path) -> tuple[list[Document], list[DiagramError]]:
    """All sequence diagrams in a file, and the errors of those that do not parse. An error hides no other diagram.

    A ``.mmd`` file is one diagram; a Markdown file may have none. Raises UsageError if the file cannot be read.
    """
    text = read_text(path, "name a .mmd, .md or .mdx file")
    markdown = _MARKDOWN.get(path.suffix.lower())
    blocks = [(text, 1, None)] if markdown is None else [*_blocks(text, markdown)]
    documents, broken = [], []
    for block, line, heading in blocks:
        if markdown is not None and not is_sequence_diagram(block):
            continue
        try:
            documents.append(Document(parse(block, file=str(path), line=line), line, heading))
        except DiagramError as error:
            broken.append(error)
    return documents, broken


def _blocks(text: str, markdown: MarkdownIt) -> Iterator[tuple[str, int, str | None]]:
    """The Mermaid blocks of a Markdown text: content, first line, and heading above."""
    heading: str | None = None
    inside_heading = False
    lines = _LINE_END.split(text)
    if markdown is _MDX:
        text = _INDENTED_FENCE.sub("", text)
    for token in markdown.parse(text):
        if token.type in ("heading_open", "heading_close"):
            inside_heading = token.type == "heading_open"
        elif inside_heading and token.type == "inline":
            heading = token.content
        elif token.type == "fence" and (fence := _MERMAID.match(token.info.strip())):
            start, end = token.map or (0, 0)
            written, content = lines[start + 1 : end], token.content.removesuffix("\n").split("\n")
            as_written = written[: len(content)]
            if [line.strip() for line in as_written] == [line.strip() for line in content]:
                content = as_written
            if fence["directive"]:
                content = _without_options(content)
            yield "\n".join(content), start + 2, heading


def _without_options(content: list[str]) -> list[str]:
    """The body of a MyST directive: lines like ``:name: flow`` before it are for the page, not for Mermaid."""
    body = next((number for number, line in enumerate(content) if not _OPTION.match(line)), len(content))
    return [""] * body + content[body:]

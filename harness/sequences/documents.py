"""Files that hold diagrams: a ``.mmd`` file is one, a Markdown file has one in each Mermaid block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from harness.core.errors import UsageError
from harness.sequences.reader import parse
from harness.sequences.scanner import is_sequence_diagram
from harness.sequences.tree import Diagram, plain

__all__ = ["Document", "read_documents"]


@dataclass(frozen=True, slots=True)
class Document:
    """A diagram and where it stands: the first line of its text, and the heading above it if it has no title."""

    diagram: Diagram
    line: int
    heading: str | None = None

    @property
    def title(self) -> str | None:
        return self.diagram.title or self.heading

    def summary(self) -> dict[str, Any]:
        """Title, participants, arrows and fragments, fit for JSON."""
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


def read_documents(path: Path) -> list[Document]:
    """Every sequence diagram in a file: a ``.mmd`` file is one, a Markdown file may have none.

    Raises UsageError if the file cannot be read or a diagram does not parse.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path), do="name a .mmd or .md file") from error
    except UnicodeDecodeError as error:
        raise UsageError("is not UTF-8 text", where=str(path), do="name a .mmd or .md file") from error
    if path.suffix.lower() not in (".md", ".markdown"):
        return [Document(parse(text, file=str(path)), 1)]
    return [
        Document(parse(block, file=str(path), line=line), line, heading)
        for block, line, heading in _blocks(text)
        if is_sequence_diagram(block)
    ]


def _blocks(text: str) -> Iterator[tuple[str, int, str | None]]:
    """The Mermaid blocks of a Markdown text (CommonMark): content, first line, and the heading above."""
    heading: str | None = None
    inside_heading = False
    lines = text.splitlines()
    for token in MarkdownIt("commonmark").parse(text):
        if token.type in ("heading_open", "heading_close"):
            inside_heading = token.type == "heading_open"
        elif inside_heading and token.type == "inline":
            heading = token.content
        elif token.type == "fence" and token.info.split()[:1] == ["mermaid"]:
            start, end = token.map or (0, 0)
            written, content = lines[start + 1 : end], token.content.splitlines()
            as_written = written[: len(content)]
            if [line.strip() for line in as_written] == [line.strip() for line in content]:
                content = as_written
            yield "\n".join(content), start + 2, heading

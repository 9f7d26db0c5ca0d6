"""Writes a tree as Mermaid text that parses to the same tree."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import yaml

from harness.sequences.tree import (
    SECTION_WORDS,
    Activation,
    Arrow,
    Autonumber,
    Box,
    Caption,
    Destroy,
    Diagram,
    Fragment,
    Item,
    Menu,
    Note,
    Participant,
    Visit,
    walk,
)

__all__ = ["escape", "render"]

_INDENT = "    "


def escape(text: str) -> str:
    """``text`` escaped for a statement of Mermaid: ``;`` and ``#`` as entities, on one line."""
    text = re.sub("[#;]", lambda found: "#35;" if found[0] == "#" else "#59;", text)
    return re.sub(r"\s*\n\s*", "<br/>", text)


def render(diagram: Diagram) -> str:
    """The diagram as Mermaid text, with a line feed at the end."""
    lines: list[str] = []
    if diagram.front_matter:
        content = yaml.safe_dump(dict(diagram.front_matter), sort_keys=False, allow_unicode=True)
        lines += ["---", *content.splitlines(), "---"]
    lines += [f"%%{{{directive}}}%%" for directive in diagram.directives]
    lines += ["sequenceDiagram", *_body(diagram.items)]
    return "\n".join(lines) + "\n"


def _body(items: Sequence[Item]) -> list[str]:
    lines: list[str] = []
    depth = 1
    for visit, item, index in walk(items):
        if isinstance(item, Fragment):
            depth -= visit is Visit.LEAVE
            outer = _INDENT * (depth - (visit is Visit.SECTION))
            match visit:
                case Visit.ENTER:
                    lines.append(f"{outer}{item.kind} {item.sections[0].label}".rstrip())
                case Visit.SECTION:
                    lines.append(f"{outer}{SECTION_WORDS[item.kind]} {item.sections[index].label}".rstrip())
                case _:
                    lines.append(f"{outer}end")
            depth += visit is Visit.ENTER
        else:
            lines += [_INDENT * depth + line for line in _statement(item)]
    return lines


def _statement(item: Item) -> list[str]:
    match item:
        case Arrow():
            source = item.source + ("()" if item.source_centre else "")
            target = ("()" if item.target_centre else item.activation) + item.target
            gap = " " if item.form.endswith("-") and item.activation == "-" else ""
            return [f"{source}{item.form}{gap}{target}: {item.text}".rstrip()]
        case Participant():
            return [_participant(item)]
        case Box():
            inside = [_INDENT + _participant(participant) for participant in item.participants]
            return [f"box {item.label}".rstrip(), *inside, "end"]
        case Note():
            return [f"Note {item.placement} {','.join(item.participants)}: {item.text}".rstrip()]
        case Activation():
            return [f"{'activate' if item.active else 'deactivate'} {item.participant}"]
        case Destroy():
            return [f"destroy {item.participant}"]
        case Autonumber():
            words = ("autonumber", item.start, item.step) if item.visible else ("autonumber", "off")
            return [" ".join(word for word in words if word is not None)]
        case Menu():
            return [f"{item.word} {item.participant}: {item.text}".rstrip()]
        case Caption(word="title"):
            return [f"title {item.text}"]
        case Caption():
            return [f"{item.word}: {item.text}"]
        case Fragment():
            return _body((item,))


def _participant(item: Participant) -> str:
    settings = f"@{json.dumps(dict(item.settings), ensure_ascii=False)}" if item.settings else ""
    words = ("create" if item.created else "", "actor" if item.actor else "participant", item.name + settings)
    label = f" as {item.label}" if item.label is not None else ""
    return " ".join(filter(None, words)) + label

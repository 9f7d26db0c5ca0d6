"""Directives of the reference pages: tables from the code, and pictures of sequences.

``{reference} options`` is replaced by the table of that name (see :data:`TABLES`). ``{flows}`` is replaced by a section
for each executable sequence, under the name that ``follows()`` takes, with a picture that the harness draws, and
``{invariants}`` by one for each invariant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import wrap

import contracts
import tables
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from harness.sequences import catalogue, render_svg

AT_BOARDS = " *Judges* what boards have seen too."
TABLES: dict[str, Callable[[], Iterable[tuple[str, ...]]]] = {
    "options": tables.options,
    "fixtures": tables.fixtures,
    "features": tables.features,
    "events": tables.events,
    "faults": tables.faults,
    "kinds": tables.kinds,
    "errors": tables.errors,
    "codes": tables.codes,
    "invariants": tables.invariants,
    "flows": tables.flows,
    "device": contracts.resource("Device"),
    "device-phases": contracts.phases("Device"),
    "application": contracts.resource("Application"),
    "application-phases": contracts.phases("Application"),
    "gateway": contracts.resource("Gateway"),
    "gateway-phases": contracts.phases("Gateway"),
    "device-messages": contracts.messages("device -> gateway"),
    "gateway-messages": contracts.messages("gateway -> device"),
    "shared-messages": contracts.messages("both ways"),
}


class ReferenceTable(SphinxDirective):
    """A table of :data:`TABLES`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        rows = list(TABLES[self.arguments[0]]())
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        lines.insert(1, "|" + " --- |" * len(rows[0]))
        return self.parse_text_to_nodes("\n".join(lines) + "\n")


class Flows(SphinxDirective):
    """A section with a picture for each executable sequence."""

    def run(self) -> list[nodes.Node]:
        folder = Path(self.env.app.outdir) / "_static" / "flows"
        folder.mkdir(parents=True, exist_ok=True)
        root = "../" * self.env.docname.count("/")
        sections: list[nodes.Node] = []
        for flow in catalogue().flows:
            self.env.note_dependency(flow.file)
            (folder / f"{flow.name}.svg").write_text(render_svg(flow.diagram), encoding="utf-8")
            section = nodes.section(ids=[flow.name], names=[flow.name])
            section += nodes.title("", "", nodes.literal("", flow.name))
            section += nodes.paragraph("", f"{flow.title} (pending: {flow.pending})" if flow.pending else flow.title)
            picture = f'<img class="flow" src="{root}_static/flows/{flow.name}.svg" alt="{flow.title}" loading="lazy">'
            section += nodes.raw("", picture, format="html")
            sections.append(section)
        return sections


class Invariants(SphinxDirective):
    """A section for each invariant: its sentence, whom it convicts, its source, and the verdict on a history that
    breaks it."""

    def run(self) -> list[nodes.Node]:
        from harness.invariants import RULES
        from tests.invariants.histories import EXAMPLES
        from tests.invariants.story import Story

        lines = []
        for name, rule in RULES.items():
            story = Story()
            EXAMPLES[name].breaks(story)
            verdict = next(str(violation) for violation in story.violations() if violation.rule == name)
            about = f"*Convicts*: {rule.party}. *Source*: {rule.source}.{AT_BOARDS * rule.holds_at_boards}"
            lines += [f"## {name}", "", rule.sentence(), "", about, ""]
            lines += ["```text", *wrap(verdict, 110), "```", ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def outdated(app: Sphinx, env: BuildEnvironment, *changes: set[str]) -> list[str]:
    """The reference pages: Sphinx does not see changes of the code that they come from."""
    return [page for page in env.found_docs if page.startswith("reference/") or page == "invariants"]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("reference", ReferenceTable)
    app.add_directive("flows", Flows)
    app.add_directive("invariants", Invariants)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": False}

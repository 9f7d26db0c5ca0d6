"""Executable sequence diagrams: Mermaid in, verdict out; history in, Mermaid out.

A ``sequenceDiagram`` in ``scenarios/sequences/`` states what must cross which boundary in which order. It is parsed
(``reader``), bound to the events of histories (``bindings``), compiled into the behaviour that it allows (``compiler``,
``terms``), and each device or application in a history is judged by it (``judge``). The verdict is a few lines or a
picture. This room reads only histories; it does not know how they were recorded.
"""

from harness.sequences.coverage import ArrowCoverage, Coverage, coverage
from harness.sequences.documents import Document, read_documents
from harness.sequences.flows import Sequence, SequenceCatalogue, catalogue, load, load_text
from harness.sequences.judge import judge
from harness.sequences.layout import ArrowMark
from harness.sequences.picture import verdict_picture
from harness.sequences.reader import parse
from harness.sequences.recorder import record
from harness.sequences.scanner import DiagramError
from harness.sequences.svg import render_svg
from harness.sequences.vacuous import vacuous
from harness.sequences.verdict import Finding, InstanceVerdict, Mismatch, SequenceVerdict
from harness.sequences.writer import render

__all__ = [
    "ArrowCoverage",
    "ArrowMark",
    "Coverage",
    "DiagramError",
    "Document",
    "Finding",
    "InstanceVerdict",
    "Mismatch",
    "Sequence",
    "SequenceCatalogue",
    "SequenceVerdict",
    "catalogue",
    "coverage",
    "judge",
    "load",
    "load_text",
    "parse",
    "read_documents",
    "record",
    "render",
    "render_svg",
    "vacuous",
    "verdict_picture",
]

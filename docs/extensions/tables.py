"""Tables of the reference pages, generated from the code."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable
from typing import Any

from sphinx.pycode import ModuleAnalyzer

from harness.sequences import catalogue, coverage
from harness.sequences.bindings import event_types

Row = tuple[str, ...]


def options() -> Iterable[Row]:
    from harness.stack import StackOptions
    from harness.stack.options import flag, written

    yield "option", "environment", "default", "description"
    for option in dataclasses.fields(StackOptions):
        default = "" if option.default in (None, "") else f"`{written(option.default)}`"
        yield (
            f"`--{flag(option.name)}={option.metadata['metavar']}`",
            f"`WASMBED_{option.name.upper()}`",
            default,
            option.metadata["help"],
        )


def fixtures() -> Iterable[Row]:
    import harness.pytest_plugin as plugin

    yield "fixture", "description"
    for name, value in vars(plugin).items():
        function = getattr(value, "_get_wrapped_function", None)
        if function is not None:
            yield f"`{name}`", first_paragraph(function())


def features() -> Iterable[Row]:
    from harness.boards.board import FEATURES

    yield "feature", "meaning"
    yield from ((f"`{name}`", meaning) for name, meaning in FEATURES.items())


def events() -> Iterable[Row]:
    yield "event", "from, to", "data"
    for row in event_types().values():
        if not row.pending:
            yield f"`{row.name}`", f"{row.source}, {row.target}", ", ".join(row.fields)


def faults() -> Iterable[Row]:
    from harness.faults import FAULTS

    yield "fault", "what happens, and what to expect afterwards", "parameters", "needs"
    for name, kind in sorted(FAULTS.items()):
        parameters = ", ".join(f"`{parameter}` = {default}" for parameter, default in kind.parameters().items())
        yield f"`{name}`", first_paragraph(kind), parameters, ", ".join(f"`{each}`" for each in sorted(kind.needs))


def kinds() -> Iterable[Row]:
    from harness.core.history import Kind

    yield "kind", "description"
    words = ModuleAnalyzer.for_module(Kind.__module__).find_attr_docs()
    for kind in Kind:
        yield f"`{kind.value}`", " ".join(words["Kind", kind.name])


def errors() -> Iterable[Row]:
    from harness.core import errors as module

    yield "error", "exit code", "blame", "meaning"
    for each in (module.ProductFailure, module.UsageError, module.RigError):
        yield f"`{each.__name__}`", str(each.exit_code), each.blame, first_paragraph(each)


def codes() -> Iterable[Row]:
    from harness.wasmbed.protocol.messages import CANCELLED, ErrorCode
    from harness.wasmbed.runtime.interface import FaultCode

    yield "code", "message"
    yield from ((f"`{code}`", "`Error`: a refusal by the gateway or a device") for code in ErrorCode)
    yield from ((f"`{code}`", "`RuntimeFault`: a call of an application was ended") for code in FaultCode)
    yield f"`{CANCELLED}`", "`DeploymentResult`: the deployment was stopped or replaced before its answer"


def invariants() -> Iterable[Row]:
    from harness.invariants import RULES

    yield "invariant", "rule for every history", "convicts"
    for name, rule in RULES.items():
        yield f"`{name}`", rule.sentence(), str(rule.party)


def flows() -> Iterable[Row]:
    yield "sequence", "description", "about one", "arrows", "state"
    for flow in catalogue().flows:
        state = f"pending: {flow.pending}" if flow.pending else "ready"
        arrows = len(coverage([flow], []).arrows)
        yield f"`{flow.name}`", flow.title, flow.subject.value, str(arrows), state


def first_paragraph(thing: Any) -> str:
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split()).replace("``", "`")

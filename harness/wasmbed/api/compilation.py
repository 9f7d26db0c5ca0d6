"""Operations on source text: templates, and its compilation to a module."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from harness.core.history import Tap
from harness.wasmbed.api.operation import Answer, Body, Call, NoBody, NoQuery, Operation, Right
from harness.wasmbed.api.problems import RETRY_AFTER, FieldProblem, Problem
from harness.wasmbed.compile.results import BoardRoom, CannotCompile, Compiled, Diagnostic, Language, Level, Source
from harness.wasmbed.compile.service import CompileService
from harness.wasmbed.compile.templates import TEMPLATES, Template
from harness.wasmbed.compile.turns import QueueFull
from harness.wasmbed.runtime.validation import ModuleInfo

__all__ = ["Compilation"]

_LARGEST = 256 << 10
"""Characters of a source text."""
_SHOWN = 100
"""Diagnostics of one answer."""


class Code(Body):
    """A source text to compile."""

    code: Annotated[str, Field(max_length=_LARGEST, description="The source text.")]
    language: Annotated[Language, Field(description="The language of the code.")] = Language.RUST
    targetBoard: Annotated[
        str | None, Field(max_length=253, description="A kind of board that has to hold the module.")
    ] = None


class TemplateQuery(Body):
    """In which language."""

    language: Annotated[Language | None, Field(description="One of the template's languages.")] = None


class DiagnosticShape(TypedDict):
    """A message of the compiler. Lines and columns count from 1."""

    level: Level
    message: str
    file: str | None
    line: int | None
    column: int | None
    code: Annotated[str | None, Field(description="The compiler's own number of the message.")]
    suggestion: Annotated[str | None, Field(description="The change that the compiler proposes.")]


class MemoryShape(TypedDict):
    """The linear memory, in bytes."""

    minimum: int
    maximum: int | None


class CompiledShape(TypedDict):
    """A module."""

    success: Literal[True]
    message: str
    wasmBytes: Annotated[str, Field(description="The module in base64.")]
    size: Annotated[int, Field(description="Bytes of the module.")]
    sha256: str
    language: Language
    compiler: Annotated[str, Field(description="The compiler's name and version.")]
    imports: Annotated[list[str], Field(description="The functions of the host interface that it uses.")]
    exports: list[str]
    memory: MemoryShape
    boards: Annotated[list[str], Field(description="The kinds of boards that can hold it.")]
    diagnostics: Annotated[list[DiagnosticShape], Field(description="Warnings and notes.")]
    output: Annotated[str, Field(description="The same as the compiler shows it.")]


class TemplateShape(TypedDict):
    """A template."""

    name: str
    summary: str
    languages: list[Language]


class TemplateList(TypedDict):
    """The templates."""

    templates: list[TemplateShape]


class TemplateSource(TemplateShape):
    """A template with its source text."""

    language: Language
    file: str
    code: str


class Compilation:
    """The operations. ``rooms`` are the kinds of boards that a module is compared with; ``tap`` records what the
    service is asked and what comes of it."""

    def __init__(self, service: CompileService, rooms: Sequence[BoardRoom], tap: Tap | None = None) -> None:
        self._service, self._rooms, self._tap = service, rooms, tap

    def operations(self) -> list[Operation]:
        """Return them, for the router and the document."""
        read = Right("list", "applications")
        return [
            Operation(
                name="compile", method="POST", path="/api/v1/compile", run=self._compile, answer=CompiledShape,
                body=Code, right=Right("create", "applications"),
                summary="Compile source text to a module. A refusal of the code has success, error and diagnostics.",
            ),
            Operation(
                name="listTemplates", method="GET", path="/api/v1/templates", run=self._list, answer=TemplateList,
                right=read, summary="The templates: source texts to begin with.",
            ),
            Operation(
                name="getTemplate", method="GET", path="/api/v1/templates/{name}", run=self._get,
                answer=TemplateSource, query=TemplateQuery, right=read, refusals=(404,),
                summary="One template, with its source text.",
            ),
        ]  # fmt: skip

    async def _list(self, call: Call[NoBody, NoQuery]) -> Answer:
        found: TemplateList = {"templates": [_template(each) for each in TEMPLATES.values()]}
        return Answer(found)

    async def _get(self, call: Call[NoBody, TemplateQuery]) -> Answer:
        name = call.names["name"]
        template = TEMPLATES.get(name)
        if template is None:
            raise Problem(404, f"there is no template {name}; there are {', '.join(TEMPLATES)}")
        language = call.query.language or template.languages[0]
        if language not in template.languages:
            there = ", ".join(template.languages)
            raise Problem(404, f"there is no template {name} in {language.value}; it is written in {there}")
        source = template.source(language)
        shape: TemplateSource = {
            **_template(template), "language": language, "file": source.file, "code": source.text,
        }  # fmt: skip
        return Answer(shape)

    async def _compile(self, call: Call[Code, NoQuery]) -> Answer:
        wanted = call.body
        room = next((each for each in self._rooms if each.kind == wanted.targetBoard), None)
        if wanted.targetBoard is not None and room is None:
            raise _board(f"there are no boards of kind {wanted.targetBoard}")
        who = {"caller": call.caller.name}
        self._note("ApiServer", "Compiler", "Compile", {**who, "language": wanted.language.value})
        try:
            compiled = await self._service.compile(Source.unnamed(wanted.code, wanted.language), call.caller.name)
        except QueueFull as full:
            headers = {"Retry-After": str(RETRY_AFTER)}
            raise Problem(429 if full.own else 503, f"{full}; try again", headers=headers) from full
        except CannotCompile as error:
            detail = f"{wanted.language.value} cannot be compiled here: {error.what}; {error.do}"
            raise Problem(503, detail) from error
        if compiled.module is None or compiled.info is None:
            self._note("Compiler", "ApiServer", "CompilationFailed", {**who, "errors": len(_errors(compiled))})
            raise _refusal(compiled)
        module = {"size": compiled.info.size, "sha256": compiled.info.sha256.hex()}
        self._note("Compiler", "ApiServer", "CompilationSucceeded", {**who, **module})
        if room is not None and (objection := room.objection(compiled.info)) is not None:
            raise _board(objection)
        return Answer(self._shape(compiled, compiled.module, compiled.info))

    def _note(self, source: str, target: str, name: str, data: Mapping[str, Any]) -> None:
        if self._tap is not None:
            self._tap(source, target, name, data, "")

    def _shape(self, compiled: Compiled, module: bytes, info: ModuleInfo) -> CompiledShape:
        return {
            "success": True,
            "message": f"compiled to {info.size:,} bytes by {compiled.compiler}",
            "wasmBytes": b64encode(module).decode(),
            "size": info.size,
            "sha256": info.sha256.hex(),
            "language": compiled.source.language,
            "compiler": compiled.compiler,
            "imports": list(info.imports),
            "exports": list(compiled.exports),
            "memory": {"minimum": info.memory_minimum, "maximum": info.memory_maximum},
            "boards": compiled.boards(self._rooms),
            "diagnostics": _diagnostics(compiled),
            "output": compiled.output,
        }


def _template(template: Template) -> TemplateShape:
    return {"name": template.name, "summary": template.summary, "languages": list(template.languages)}


def _diagnostics(compiled: Compiled) -> list[DiagnosticShape]:
    return [
        {
            "level": each.level,
            "message": each.message,
            "file": each.file,
            "line": each.line,
            "column": each.column,
            "code": each.code,
            "suggestion": each.suggestion,
        }
        for each in compiled.diagnostics[:_SHOWN]
    ]


def _errors(compiled: Compiled) -> list[Diagnostic]:
    return [each for each in compiled.diagnostics if each.level is Level.ERROR]


def _refusal(compiled: Compiled) -> Problem:
    """Return the refusal of code with errors, which has the original's fields too."""
    errors = _errors(compiled)
    fields: list[FieldProblem] = [{"field": "code", "detail": str(each)} for each in errors[:_SHOWN]]
    members = {"success": False, "error": compiled.output, "diagnostics": _diagnostics(compiled)}
    return Problem(422, f"the code does not compile: {errors[0]}", fields, members=members)


def _board(detail: str) -> Problem:
    return Problem(422, detail, [{"field": "targetBoard", "detail": detail}])

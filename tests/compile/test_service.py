"""The service with a compiler that tests control: what is compiled, and how often."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import wasmtime

from harness.core.clock import ManualClock
from harness.wasmbed.compile.compiler import Outcome
from harness.wasmbed.compile.results import Diagnostic, Language, Level, Source
from harness.wasmbed.compile.sandbox import Sandbox
from harness.wasmbed.compile.service import CompileService, CompileSettings
from harness.wasmbed.compile.turns import QueueFull

GOOD = bytes(wasmtime.wat2wasm('(module (memory (export "memory") 1) (func (export "run")))'))
BAD = Outcome(None, (Diagnostic(Level.ERROR, "wrong", "main.wat", 1, 1),), "wrong\n")


@dataclass
class Controlled:
    """A compiler whose ``outcome`` a test sets, and which waits for ``go``."""

    outcome: Outcome
    go: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    number: str = "1"
    compiled: list[str] = field(default_factory=list)

    async def version(self) -> str:
        return f"compiler {self.number}"

    async def compile(self, source: Source, folder: Path, sandbox: Sandbox, *, untrusted: bool) -> Outcome:
        assert not list(folder.iterdir())  # noqa: ASYNC240 - a folder of the test
        self.compiled.append(source.text)
        self.began.set()
        await self.go.wait()
        return self.outcome


def made(outcome: Outcome, settings: CompileSettings | None = None) -> tuple[CompileService, Controlled]:
    compiler = Controlled(outcome)
    return CompileService(settings or CompileSettings(), ManualClock(), {Language.WAT: compiler}), compiler


def text(content: str) -> Source:
    return Source.unnamed(content, Language.WAT)


@pytest.mark.parametrize("outcome", [Outcome(GOOD, (), ""), BAD])
async def test_the_same_text_is_compiled_once_and_again_with_another_compiler(outcome: Outcome) -> None:
    service, compiler = made(outcome)
    compiler.go.set()
    first = await service.compile(text("a"))
    assert await service.compile(text("a")) is first
    compiler.number = "2"
    assert (await service.compile(text("a"))).compiler == "compiler 2"
    assert compiler.compiled == ["a", "a"]


async def test_equal_requests_at_the_same_time_are_one_compilation_that_outlives_the_first() -> None:
    service, compiler = made(Outcome(GOOD, (), ""))
    first, second = (asyncio.create_task(service.compile(text("a"), user)) for user in "ab")
    await compiler.began.wait()
    first.cancel()
    await asyncio.wait([first])
    compiler.go.set()
    assert (await second).module == GOOD
    assert compiler.compiled == ["a"]


async def test_a_result_that_depends_on_a_bound_is_not_kept() -> None:
    service, compiler = made(Outcome(None, BAD.diagnostics, "", lasting=False))
    compiler.go.set()
    for _ in range(2):
        assert (await service.compile(text("a"))).module is None
    assert compiler.compiled == ["a", "a"]


async def test_results_that_were_not_used_for_long_make_room() -> None:
    service, compiler = made(BAD, CompileSettings(kept=2500))  # two results of about 1,040 bytes
    compiler.go.set()
    for each in ("a", "b", "a", "c", "a", "b"):
        await service.compile(text(each))
    assert compiler.compiled == ["a", "b", "c", "b"]


async def test_a_module_that_no_device_can_run_is_an_error() -> None:
    service, compiler = made(Outcome(bytes(wasmtime.wat2wasm("(module)")), (), ""))
    compiler.go.set()
    compiled = await service.compile(text("a"))
    assert compiled.module is None
    assert [each.level for each in compiled.diagnostics] == [Level.ERROR]
    assert "must export its linear memory" in compiled.diagnostics[0].message
    assert "must export its linear memory" in compiled.output


async def test_a_full_queue_refuses_and_the_compilation_can_be_asked_for_again() -> None:
    service, compiler = made(Outcome(GOOD, (), ""), CompileSettings(jobs=1, waiting=0))
    running = asyncio.create_task(service.compile(text("a")))
    await compiler.began.wait()
    with pytest.raises(QueueFull):
        await service.compile(text("b"))
    compiler.go.set()
    await running
    assert (await service.compile(text("b"))).module == GOOD


async def test_closing_ends_what_is_under_way() -> None:
    service, compiler = made(Outcome(GOOD, (), ""))
    running = asyncio.create_task(service.compile(text("a")))
    await compiler.began.wait()
    await service.close()
    with pytest.raises(asyncio.CancelledError):
        await running

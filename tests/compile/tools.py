"""Which compilers are here, and a service that has them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import pytest

from harness.core.clock import SystemClock
from harness.wasmbed.compile.assemblyscript import AssemblyScript
from harness.wasmbed.compile.clang import Clang
from harness.wasmbed.compile.results import CannotCompile, Language
from harness.wasmbed.compile.rust_library import find_compiler
from harness.wasmbed.compile.sandbox import Sandbox
from harness.wasmbed.compile.service import CompileService, CompileSettings


@cache
def missing(language: Language) -> str | None:
    """Return why the language cannot be compiled here; None if it can."""

    async def ask() -> None:
        match language:
            case Language.RUST:
                await find_compiler()
            case Language.C:
                await Clang().version()
            case Language.ASSEMBLYSCRIPT:
                await AssemblyScript().version()

    try:
        asyncio.run(ask())
    except CannotCompile as error:
        return str(error)
    return None


def needs(language: Language) -> pytest.MarkDecorator:
    """Return the mark of a test that compiles the language."""
    reason = missing(language)
    return pytest.mark.skipif(reason is not None, reason=str(reason))


@cache
def no_sandbox() -> str | None:
    """Return why there is no sandbox here; None if there is one."""
    if shutil.which("prlimit") is None:
        return "util-linux's prlimit is not installed"
    return asyncio.run(Sandbox(SystemClock()).objection())


NEEDS_SANDBOX = pytest.mark.skipif(no_sandbox() is not None, reason=str(no_sandbox()))


@asynccontextmanager
async def service() -> AsyncIterator[CompileService]:
    """A service, until the block ends."""
    made = CompileService(CompileSettings(), SystemClock())
    try:
        yield made
    finally:
        await made.close()

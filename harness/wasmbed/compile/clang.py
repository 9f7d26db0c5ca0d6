"""C, compiled by clang and linked by LLVM's linker."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from harness.wasmbed.compile.compiler import GUEST, MODULE, STACK, Outcome, need, outcome
from harness.wasmbed.compile.program import version_of
from harness.wasmbed.compile.results import Diagnostic, Level, Source
from harness.wasmbed.compile.sandbox import Sandbox

__all__ = ["Clang", "read_messages"]

_OPTIONS = (
    "--target=wasm32", "-std=c17", "-Oz", "-flto", "-nostdlib", "-ffreestanding",
    "-Wall", "-Wextra", "-Werror=implicit-function-declaration",
    # Copies become instructions, since there is no memcpy to call.
    "-mbulk-memory",
    "-fno-color-diagnostics", "-fdiagnostics-parseable-fixits",
    "-Wl,--no-entry", "-Wl,--strip-all", f"-Wl,-zstack-size={STACK}",
)  # fmt: skip
_MESSAGE = re.compile(
    r"(?P<file>[^:\s][^:]*):(?P<line>\d+):(?P<column>\d+): (?:fatal )?(?P<level>error|warning|note): "
)
_LINKER = re.compile(r"(?:wasm-ld|clang)(?:-\d+)?: (?P<level>error|warning): (?:\S+\.o: )?(?P<message>.*)")
_OPTION = re.compile(r" \[(?:-Werror,)?(-W[\w#-]+)(?:,[^\]]*)?\]$")
_FIX = re.compile(r'fix-it:"[^"]*":\{(\d+):(\d+)-(\d+):(\d+)\}:"(.*)"$')


class Clang:
    """The compiler on the PATH."""

    async def version(self) -> str:
        """Return its name and version. Raises :class:`CannotCompile` if clang or the linker is missing."""
        need("wasm-ld", "lld")
        return await version_of(need("clang", "clang"))

    async def compile(self, source: Source, folder: Path, sandbox: Sandbox, *, untrusted: bool) -> Outcome:
        """Compile a file. Raises :class:`CannotCompile`."""
        await asyncio.to_thread((folder / source.file).write_text, source.text, "utf-8")
        command = [str(need("clang", "clang")), *_OPTIONS, f"-I{GUEST}", source.file, "-o", MODULE]
        ended = await sandbox.run(command, folder, [GUEST], untrusted=untrusted)
        said = ended.output.decode("utf-8", "replace")
        shown = "".join(line for line in said.splitlines(keepends=True) if not line.startswith("fix-it:"))
        return outcome(ended, folder, read_messages(said), shown, source.file)


def read_messages(said: str) -> list[Diagnostic]:
    """Return the diagnostics in clang's and the linker's output."""
    found: list[Diagnostic] = []
    for line in said.splitlines():
        if match := _MESSAGE.match(line):
            message = line[match.end() :]
            option = _OPTION.search(message)
            found.append(
                Diagnostic(
                    Level(match["level"]),
                    message[: option.start()] if option else message,
                    match["file"],
                    int(match["line"]),
                    int(match["column"]),
                    option[1] if option else None,
                )
            )
        elif match := _LINKER.match(line):
            if "linker command failed" not in match["message"]:
                found.append(Diagnostic(Level(match["level"]), match["message"]))
        elif found and (fix := _FIX.match(line)):
            found[-1] = _with_fix(found[-1], fix)
    return found


def _with_fix(diagnostic: Diagnostic, fix: re.Match[str]) -> Diagnostic:
    line, column, last_line, last_column, text = fix.groups()
    if (line, column) == (last_line, last_column):
        suggestion = f"insert {text!r} at {line}:{column}"
    else:
        suggestion = f"write {text!r} from {line}:{column} to {last_line}:{last_column}"
    return Diagnostic(
        diagnostic.level, diagnostic.message, diagnostic.file, diagnostic.line, diagnostic.column, diagnostic.code,
        f"{diagnostic.suggestion}; {suggestion}" if diagnostic.suggestion else suggestion,
    )  # fmt: skip

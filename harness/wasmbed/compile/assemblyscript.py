"""AssemblyScript, compiled by asc: an npm package, in a folder of the user's cache or on the PATH."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

from harness.wasmbed.compile.compiler import GUEST, MODULE, Outcome, cache_folder, need, outcome
from harness.wasmbed.compile.results import CannotCompile, Diagnostic, Level, Source
from harness.wasmbed.compile.sandbox import Sandbox

__all__ = ["AssemblyScript", "read_messages"]

VERSION = "0.28.20"
_HOST = "wasmbed.ts"
_OPTIONS = ("-Oz", "--noAssert", "--runtime", "incremental", "--use", "abort=", "--noColors")
_MESSAGE = re.compile(r"(?P<level>ERROR|WARNING|PEDANTIC|INFO)(?: (?P<code>[A-Z]+\d+))?: (?P<message>.*)")
_PLACE = re.compile(r"\s*└─ in (?P<file>.+)\((?P<line>\d+),(?P<column>\d+)\)")
_LEVELS = {"ERROR": Level.ERROR, "WARNING": Level.WARNING, "PEDANTIC": Level.NOTE, "INFO": Level.NOTE}


class AssemblyScript:
    """The compiler."""

    async def version(self) -> str:
        """Return its name and version. Raises :class:`CannotCompile` if Node.js or the package is missing."""
        need("node", "nodejs")
        description = await asyncio.to_thread((_package() / "package.json").read_text, "utf-8")
        return f"AssemblyScript {json.loads(description)['version']}"

    async def compile(self, source: Source, folder: Path, sandbox: Sandbox, *, untrusted: bool) -> Outcome:
        """Compile a file. Raises :class:`CannotCompile`."""
        package = _package()
        file = source.file if source.file != _HOST else "main.ts"
        await asyncio.to_thread((folder / file).write_text, source.text, "utf-8")
        await asyncio.to_thread(shutil.copyfile, GUEST / _HOST, folder / _HOST)
        command = [str(need("node", "nodejs")), str(package / "bin" / "asc.js"), file, "-o", MODULE, *_OPTIONS]
        ended = await sandbox.run(command, folder, [package.parent], untrusted=untrusted)
        said = ended.output.decode("utf-8", "replace")
        return outcome(ended, folder, read_messages(said), said, file)


def read_messages(said: str) -> list[Diagnostic]:
    """Return the diagnostics in asc's output: a message, an excerpt, and the place below it."""
    found: list[Diagnostic] = []
    for line in said.splitlines():
        if match := _MESSAGE.match(line):
            found.append(Diagnostic(_LEVELS[match["level"]], match["message"], code=match["code"]))
        elif found and found[-1].file is None and (place := _PLACE.match(line)):
            last = found[-1]
            found[-1] = Diagnostic(
                last.level, last.message, place["file"], int(place["line"]), int(place["column"]), last.code
            )
    return found


def _package() -> Path:
    """Return the folder of the npm package."""
    cached = cache_folder() / f"assemblyscript-{VERSION}"
    found = cached / "node_modules" / "assemblyscript"
    if (found / "bin" / "asc.js").is_file():
        return found
    if (asc := shutil.which("asc")) is not None and (script := Path(asc).resolve()).name == "asc.js":
        return script.parents[1]
    raise CannotCompile(
        "AssemblyScript's compiler is not installed",
        do=f"npm install --prefix {cached} assemblyscript@{VERSION}",
    )

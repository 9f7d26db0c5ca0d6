"""Loads the WebAssembly modules that scenarios deploy, text or binary, by name, path, or as bytes."""

from __future__ import annotations

import shlex
from pathlib import Path

from harness.core.data_files import data_folder
from harness.core.errors import UsageError
from harness.core.files import read_bytes

__all__ = ["Modules", "assemble", "padded", "read_module"]

_SOURCES = (".c", ".rs", ".ts")
"""The files that ``wasmbed compile`` makes a module of."""


class Modules:
    """A folder of modules: ``modules("hello")`` is ``hello.wasm``, or ``hello.wat`` assembled. A name that is not in it
    may be one of the harness's own modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str) -> bytes:
        """The binary of the module of that name. Raises UsageError naming the known modules."""
        folders = (self.folder, data_folder("scenarios/modules"))
        for folder in folders:
            for suffix in (".wasm", ".wat"):
                path = folder / f"{name}{suffix}"
                if path.is_file():
                    return read_module(path)
        known = [sorted({path.stem for path in folder.glob("*.wa*")}) for folder in folders]
        own = f"the harness's own: {', '.join(known[1])}"
        elsewhere = "run in the project's folder, or name the modules' folder: --modules, in Robot the variable MODULES"
        raise UsageError(
            f"there is no module {name!r}",
            where=str(self.folder),
            do=f"the modules are: {', '.join(known[0])}; {own}" if known[0] else f"{elsewhere}; {own}",
        )

    def load(self, module: bytes | str | Path) -> bytes:
        """The binary of a module given as bytes, as a name, or as a path."""
        if isinstance(module, bytes):
            return module
        return read_module(module) if isinstance(module, Path) else self(module)


def read_module(path: Path) -> bytes:
    """The binary at ``path``; text is assembled. Raises UsageError with the line of an error in the text, and for the
    source text of another language."""
    data = read_bytes(path, "name a .wasm or .wat file")
    if path.suffix in _SOURCES:
        compiled = shlex.quote(str(path.with_suffix(".wasm")))
        raise UsageError(
            "it is source text, not a module",
            where=str(path),
            do=f"compile it first: wasmbed compile {shlex.quote(str(path))} makes {compiled}",
        )
    return data if path.suffix == ".wasm" else assemble(data.decode("utf-8", "replace"), str(path))


def assemble(text: str, where: str = "module") -> bytes:
    """Assemble WebAssembly text. Raises UsageError with the line of an error."""
    import wasmtime

    try:
        return bytes(wasmtime.wat2wasm(text))
    except wasmtime.WasmtimeError as error:
        told = str(error).replace("<anon>", where)
        raise UsageError(f"invalid WebAssembly text:\n{told}", where=where, do="correct it there") from error


def padded(module: bytes, size: int) -> bytes:
    """``module`` extended to about ``size`` bytes, and at most that, by a custom section, which has no effect
    (WebAssembly Core Specification, 5.5.3)."""
    content = b"\x07padding" + bytes(max(size - len(module) - 16, 0))
    length, rest = bytearray(), len(content)
    while rest > 0x7F:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    length.append(rest)
    return module + b"\x00" + bytes(length) + content

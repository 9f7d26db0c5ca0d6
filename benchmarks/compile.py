"""``compile_warm``: the template hello in Rust, compiled anew each time, beside a rustc that only prints its version.
``compile_hit``: the same text once more."""

from __future__ import annotations

import statistics
import subprocess
import time

from benchmarks.figure import Figure
from harness.core.clock import SystemClock
from harness.wasmbed.compile.results import Language, Source
from harness.wasmbed.compile.rust_library import find_toolchain
from harness.wasmbed.compile.service import CompileService, CompileSettings
from harness.wasmbed.compile.templates import TEMPLATES

ROUNDS = 9
HITS = 200


async def measure() -> list[Figure]:
    rustc = (await find_toolchain()).rustc
    service = CompileService(CompileSettings(), SystemClock())
    hello = TEMPLATES["hello"].source(Language.RUST)
    await service.compile(hello)
    warm, bare = [], []
    for number in range(ROUNDS):
        changed = Source(f"{hello.text}// {number}\n", hello.language, hello.file)
        began = time.perf_counter()
        compiled = await service.compile(changed)
        warm.append(time.perf_counter() - began)
        assert compiled.module is not None, compiled.output
        began = time.perf_counter()
        subprocess.run([rustc, "-vV"], check=True, stdout=subprocess.DEVNULL)  # noqa: ASYNC221 - alone on purpose
        bare.append(time.perf_counter() - began)
    hits = []
    for _ in range(HITS):
        began = time.perf_counter()
        await service.compile(hello)
        hits.append(time.perf_counter() - began)
    await service.close()
    value, peer = statistics.median(warm), statistics.median(bare)
    return [
        Figure(
            "compile_warm", value, "s", "rustc -vV", peer, "under 1.5 s", lambda value, _: value < 1.5,
        ),
        Figure(
            "compile_hit", 1000 * sorted(hits)[int(0.95 * HITS)], "ms", "p95; compiled anew", 1000 * value,
            "under 20 ms", lambda value, _: value < 20,
        ),
    ]  # fmt: skip

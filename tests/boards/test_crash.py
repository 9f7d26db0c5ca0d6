"""Crashes are read from a firmware's output. The lines were captured from the five self-tests on mps2-an385."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.boards.crash import CrashReader, Symbols

HARD_FAULT = """\
BOOT board=mps2-an385 firmware=1.0.0 reset=power-on boots=0
SELF-TEST hard-fault
FAULT cause=hard-fault pc=0x00000ad8 lr=0x00000abf psr=0x61000000 r0=0xdeadbee0 sp=0x2001f770 cfsr=0x00008200 \
hfsr=0x40000000 mmfar=0x00000000 bfar=0xdeadbee0
BACKTRACE 0x0000044c 0x00000426
BOOT board=mps2-an385 firmware=1.0.0 reset=hard-fault boots=1
[     0.003] wasmbed 1.0.0 on mps2-an385 board pump-1"""
HEAP_EXHAUSTION = """\
FAULT cause=heap-exhaustion used=14676816 free=3248
PANIC alloc/src/alloc.rs:573: memory allocation of 512 bytes failed
BACKTRACE 0x000c6f4e
BOOT board=mps2-an385 firmware=1.0.0 reset=heap-exhaustion boots=1"""
PANIC = """\
PANIC wasmbed-boards/src/self_test.rs:12: provoked
BACKTRACE 0x000c5358
BOOT board=mps2-an385 firmware=1.0.0 reset=panic boots=1"""

NOWHERE = Path("no-such-image.elf")


def crashes(text: str, image: Path = NOWHERE) -> list[dict[str, Any]]:
    reader = CrashReader(image)
    return [crash for line in text.splitlines() if (crash := reader.read(line)) is not None]


def test_a_hard_fault_has_registers_fault_status_and_backtrace() -> None:
    (crash,) = crashes(HARD_FAULT)
    assert crash == {
        "cause": "hard-fault",
        "registers": {
            "pc": "0x00000ad8",
            "lr": "0x00000abf",
            "psr": "0x61000000",
            "r0": "0xdeadbee0",
            "sp": "0x2001f770",
        },
        "faultStatus": {"cfsr": "0x00008200", "hfsr": "0x40000000", "mmfar": "0x00000000", "bfar": "0xdeadbee0"},
        "at": "0x00000ad8",
        "backtrace": ["0x0000044c", "0x00000426"],
    }


def test_a_panic_has_its_message() -> None:
    message = "wasmbed-boards/src/self_test.rs:12: provoked"
    assert crashes(PANIC) == [{"cause": "panic", "message": message, "backtrace": ["0x000c5358"]}]


def test_heap_exhaustion_is_no_mere_panic() -> None:
    (crash,) = crashes(HEAP_EXHAUSTION)
    assert crash["cause"] == "heap-exhaustion"
    assert crash["numbers"] == {"used": "14676816", "free": "3248"}
    assert "512 bytes" in crash["message"]


def test_each_crash_counts_once() -> None:
    found = crashes("\n".join([HARD_FAULT, PANIC, HEAP_EXHAUSTION, HARD_FAULT]))
    assert [crash["cause"] for crash in found] == ["hard-fault", "panic", "heap-exhaustion", "hard-fault"]
    assert "message" not in found[3]


def test_a_reset_by_the_watchdog_without_a_report_is_a_crash() -> None:
    boot = "BOOT board=mps2-an385 firmware=1.0.0 reset=watchdog boots=1"
    assert crashes(boot) == [{"cause": "watchdog"}]
    assert crashes(f"{boot}\n{boot}") == [{"cause": "watchdog"}] * 2


@pytest.mark.parametrize("reset", ["power-on", "external", "", "something-new"])
def test_an_intended_reset_is_not_a_crash(reset: str) -> None:
    assert crashes(f"BOOT board=mps2-an385 firmware=1.0.0 reset={reset} boots=1\nBOOT") == []


def test_an_incomplete_crash_report_is_completed_by_the_next_boot() -> None:
    text = "FAULT cause=hard-fault pc=0x00000ad8\nBOOT board=mps2-an385 firmware=1.0.0 reset=hard-fault boots=1"
    assert crashes(text) == [{"cause": "hard-fault", "registers": {"pc": "0x00000ad8"}, "at": "0x00000ad8"}]


@pytest.mark.parametrize(
    "line", ["FAULT", "FAULT cause=", "FAULT pc=0xzz", "PANIC", "", " FAULT cause=x", "FAULTY x=1"]
)
def test_lines_that_resemble_a_crash_report_break_nothing(line: str) -> None:
    assert crashes(line) == []


def test_a_backtrace_alone_has_an_unknown_cause() -> None:
    assert crashes("BACKTRACE 0x10 nonsense 0xzz 16") == [{"cause": "unknown", "backtrace": ["0x00000010"]}]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        pytest.skip("needs arm-none-eabi-gcc (see .ci/packages.txt)")
    folder = tmp_path_factory.mktemp("symbols")
    source = folder / "two.c"
    source.write_text(
        'void _RNvCs1234_7mycrate3foo(void) { __asm__("nop\\nnop\\nnop"); }\n'
        'void _ZN4core5panic17h0123456789abcdefE(void) { __asm__("nop"); }\n'
        'void _RNvINvXXXbroken(void) { __asm__("nop"); }\n'
    )
    flags = ["-mcpu=cortex-m3", "-mthumb", "-O1", "-nostdlib", "-Wl,-Ttext=0x80", "-Wl,-e,0x80"]
    subprocess.run([compiler, *flags, "-o", folder / "two.elf", source], check=True)
    return folder / "two.elf"


def test_addresses_become_names(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    symbols = Symbols.of(image)
    assert symbols.name(0x80) == "mycrate::foo+0x0"
    assert symbols.name(0x82) == "mycrate::foo+0x2"
    assert symbols.name(0x88) == "core::panic+0x0"
    assert symbols.caller(0x88) == "mycrate::foo+0x8"
    assert symbols.name(0x8C) == "_RNvINvXXXbroken+0x0"
    assert symbols.name(0x7E) == "0x0000007e"
    assert symbols.name(0x1000) == "0x00001000"
    assert capsys.readouterr() == ("", "")
    (crash,) = crashes(HARD_FAULT.replace("0x00000ad8", "0x00000084"), image)
    assert crash["at"] == "mycrate::foo+0x4"


def test_a_file_that_is_not_an_image_has_no_names(tmp_path: Path) -> None:
    (tmp_path / "text.elf").write_text("not an ELF file at all, but long enough to be one")
    (tmp_path / "empty.elf").write_bytes(b"")
    for image in ("text.elf", "empty.elf", "absent.elf"):
        assert Symbols.of(tmp_path / image).name(16) == "0x00000010"

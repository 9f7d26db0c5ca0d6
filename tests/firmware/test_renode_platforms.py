"""Memory maps, drivers and scripts of boards in Renode fit the machines of their ``.repl`` files."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import struct
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "firmware"))

boards = importlib.import_module("tools.boards")
RENODE: dict[str, Any] = tomllib.loads(Path(__file__).with_name("renode-1.15.toml").read_text("utf-8"))
FACTS: dict[str, dict[str, Any]] = {
    path.parent.name: facts
    for path in sorted((ROOT / "platforms").glob("*/board.toml"))
    if (facts := tomllib.loads(path.read_text("utf-8")))["emulator"]["program"] == "renode"
}
NAMES = [name for name, facts in FACTS.items() if "refused" not in facts]
REAL_MEMORY = {
    "stm32f4-discovery": {"flash": 1 << 20, "sram": 128 << 10, "ccm": 64 << 10},
    "arduino-nano-33-ble": {"flash": 1 << 20, "ram": 256 << 10},
    "stm32f746g-disco": {"flash": 1 << 20, "sram": 320 << 10},
}
"""The memory of the chips STM32F407VG, nRF52840 and STM32F746NG."""
PROGRAM = os.environ.get("RENODE") or shutil.which("renode")

parametrized = pytest.mark.parametrize("name", NAMES)


@dataclass(frozen=True)
class Description:
    """A machine: Renode's own description with the additions of its ``.repl``."""

    base: str
    memory: dict[str, Any]
    systick: int

    @classmethod
    def read(cls, name: str) -> Description:
        text = (ROOT / "platforms" / name / FACTS[name]["emulator"]["machine"]).read_text("utf-8")
        (base,) = re.findall(r'^using "(.+)"$', text, re.MULTILINE)
        memory = {part: boards.Region(**region) for part, region in RENODE[base]["memory"].items()}
        systick = RENODE[base]["systick"]
        for part, kind, body in re.findall(r"^(\w+):(.*)\n((?:    .*\n)+)", text, re.MULTILINE):
            values = dict(re.findall(r"^    (\w+): *(\w+)$", body, re.MULTILINE))
            if "size" in values:
                place = re.search(r"@ sysbus (0x\w+)", kind)
                origin = int(place[1], 16) if place else memory[part].origin
                memory[part] = boards.Region(origin, int(values["size"], 16))
            if part == "nvic":
                systick = int(values["systickFrequency"])
        return cls(base, memory, systick)


def region_of(name: str, what: str) -> Any:
    return boards.Region(**FACTS[name]["memory"][what])


def holder(machine: Description, region: Any) -> str | None:
    """Return the machine's memory that contains a region."""
    holding = [part for part, own in machine.memory.items() if own.origin <= region.origin and region.end <= own.end]
    return holding[0] if holding else None


def test_there_are_boards_in_renode() -> None:
    assert set(NAMES) == set(REAL_MEMORY)
    assert "arduino-uno-r4" in FACTS


@parametrized
def test_the_memory_map_is_the_chips(name: str) -> None:
    memory = Description.read(name).memory
    for part, size in REAL_MEMORY[name].items():
        assert memory[part].size == size, part


@parametrized
def test_the_memory_map_lies_in_the_machine(name: str) -> None:
    machine = Description.read(name)
    for what in ("flash", "provisioning", "storage"):
        assert holder(machine, region_of(name, what)) == "flash", what
    for what in ("ram", "retained", *(["heap"] if "heap" in FACTS[name]["memory"] else [])):
        assert holder(machine, region_of(name, what)) in {"ram", "sram", "ccm"}, what


@parametrized
def test_no_writable_memory_lies_below_the_stack(name: str) -> None:
    """A stack overflow reaches no memory, or ROM: the check of the stack pointer comes later."""
    bottom = region_of(name, "ram").origin
    hit = holder(Description.read(name), boards.Region(bottom - 4096, 4096))
    assert hit in {None, "rom", "rom2"}


@parametrized
def test_the_drivers_are_at_the_machines_addresses(name: str) -> None:
    source = (ROOT / "firmware" / "wasmbed-boards" / "src" / "bin" / f"{name}.rs").read_text("utf-8")
    machine, wiring = Description.read(name), FACTS[name]["renode"]
    uarts = {f"sysbus.{part}": facts for part, facts in RENODE[machine.base]["uart"].items()}
    for what in ("link", "console"):
        found = re.search(rf"{what}: Uart::(\w+)\(0x(\w+)\)", source)
        assert found is not None, what
        assert (found[1], int(found[2].replace("_", ""), 16)) == tuple(uarts[wiring[what]].values())[:2]
    assert f"link_interrupt: {uarts[wiring['link']]['interrupt']}," in source
    assert f"TickSource::Renode({machine.systick:_})" in source
    assert machine.systick / 10 < 2**24, "SysTick cannot count a tenth of a second"


@parametrized
def test_the_script_makes_the_same_machine(name: str) -> None:
    facts = FACTS[name]
    path = ROOT / "platforms" / name / f"{name}.resc"
    lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip() and line[0] != "#"]
    wiring, blob = facts["renode"], facts["memory"]["provisioning"]["origin"]
    assert [line for line in lines if not line.startswith((":", "$"))] == [
        "mach create $name",
        f"machine LoadPlatformDescription $ORIGIN/{facts['emulator']['machine']}",
        f"sysbus.cpu PerformanceInMips {wiring['mips']}",
        "sysbus LoadELF $bin",
        f"sysbus LoadBinary $blob 0x{blob:08X}",
        'emulation CreateUartPtyTerminal "link" $link true',
        f"connector Connect {wiring['link']} link",
        f"{wiring['console']} CreateFileBackend $log true",
        f'emulation SetGlobalQuantum "{wiring["quantum"]}"',
        "start",
    ]
    assert f"$bin?=@firmware/images/{facts['image']}" in lines


@parametrized
def test_the_image_lies_in_the_machine_and_starts(name: str) -> None:
    board, machine = boards.find_boards()[name], Description.read(name)
    path = ROOT / "firmware" / "images" / board.image
    if not path.exists():
        pytest.skip(f"no image of {name}: `make firmware`")
    data = path.read_bytes()
    (start,) = struct.unpack_from("<I", data, 0x1C)
    size, count = struct.unpack_from("<HH", data, 0x2A)
    segments = [struct.unpack_from("<8I", data, start + size * index) for index in range(count)]
    for kind, offset, virtual, physical, file_size, memory_size, *_ in segments:
        if kind != 1 or memory_size == 0:
            continue
        assert holder(machine, boards.Region(virtual, memory_size)) is not None
        assert holder(machine, boards.Region(physical, max(file_size, 1))) is not None
        if physical == board.flash.origin:
            stack, reset = struct.unpack_from("<II", data, offset)
            assert stack == board.ram.origin + board.stack
            assert reset % 2 == 1
            assert board.flash.origin < reset < board.flash.end
            break
    else:
        pytest.fail("nothing lies where the processor looks for its first instruction")


def test_the_smallest_board_lists_its_limitations_and_has_no_image() -> None:
    facts = FACTS["arduino-uno-r4"]
    assert facts["memory"]["ram"]["size"] == 32 << 10
    assert "32 KiB" in facts["refused"]
    assert facts["features"] == []
    assert any("TLS" in sentence for sentence in facts["cannot"])
    assert any("WebAssembly" in sentence for sentence in facts["cannot"])
    assert "arduino-uno-r4" not in boards.find_boards()


@parametrized
@pytest.mark.system("Renode")
@pytest.mark.skipif(PROGRAM is None, reason="no Renode: put `renode` on the PATH or its path into RENODE")
def test_renode_loads_the_script_and_the_image_boots(name: str, tmp_path: Path) -> None:
    if not (ROOT / "firmware" / "images" / FACTS[name]["image"]).exists():
        pytest.skip(f"no image of {name}: `make firmware`")
    blob, log = tmp_path / "blob", tmp_path / "log"
    blob.write_bytes(bytes(64))
    lines = [
        f"$blob=@{blob}",
        f"$log=@{log}",
        f'$link="{tmp_path}/link"',
        f"include @platforms/{name}/{name}.resc",
        "pause",
        'emulation RunFor "0.2"',
        'echo "the end"',
        "quit",
    ]
    script = "\n".join(lines) + "\n"
    done = subprocess.run(
        [str(PROGRAM), "--disable-xwt", "--console", "-p"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        input=script,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert "There was an error" not in done.stdout, done.stdout
    assert "the end" in done.stdout, done.stdout
    assert log.read_text("utf-8").splitlines() == [
        f"BOOT board={name} firmware=1.0.0 reset=power-on boots=0",
        "HALT there is no provisioning blob",
    ]

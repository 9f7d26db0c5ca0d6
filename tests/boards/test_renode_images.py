"""An image of the user's own on a board in Renode: the commands for its monitor, and the place of its console."""

from __future__ import annotations

import os
import pty
import struct
import tty
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from harness.boards.board import Board, BoardEnvironment, BoardSettings, Credentials
from harness.boards.foreign import ForeignImage, Source
from harness.boards.platform import IMAGES_VARIABLE, Platform
from harness.boards.renode import Farm, RenodeTier, requests
from harness.boards.renode.script import commands
from harness.core.clock import Clock, SystemClock
from harness.core.errors import UsageError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.wasmbed.pki.keys import Algorithm, generate_key, private_key_der
from tests.boards.test_foreign import elf

KIND = "stm32f4-discovery"
FLASH = 0x0800_0000
ENVIRONMENT = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness(1))
KEY = private_key_der(generate_key(Algorithm.P256))
SETTINGS = BoardSettings("pump-1", Credentials(b"authority", KEY, b"certificate"), ("127.0.0.1", 1), "localhost")


class PlayedHost:
    """A host process whose machines write ``says`` to their consoles when they get power."""

    pid, failure, on_end, pids = 1, None, None, ()
    typed: ClassVar[list[str]] = []
    """The commands for the monitor."""
    loaded: ClassVar[dict[str, bytes]] = {}
    """The contents of the files that were loaded, by path."""
    says: ClassVar[bytes] = b""

    def __init__(self, name: str, clock: Clock) -> None:
        self._machines: dict[str, requests.Machine] = {}
        self._ends: dict[str, int] = {}

    async def start(self) -> None: ...

    async def kill(self) -> None:
        for end in self._ends.values():
            os.close(end)
        self._ends.clear()

    async def ask(self, request: requests.Request) -> str:
        if isinstance(request, requests.Create):
            self._machines[request.machine.name] = request.machine
            for wire in (request.machine.link, request.machine.console):
                self._ends[wire.uart], other = pty.openpty()
                tty.setraw(other)
                os.symlink(os.ttyname(other), wire.path)
        if not isinstance(request, requests.Run | requests.Stand):
            for command in commands(request, self._machines):
                self.typed.append(command.text)
                if "@" in command.text and "Load" in command.text:
                    path = command.text.partition("@")[2].split()[0]
                    self.loaded[path] = Path(path).read_bytes()  # noqa: ASYNC240
        if isinstance(request, requests.PowerOn):
            os.write(self._ends[self._machines[request.name].console.uart], self.says)
        return ""


@pytest.fixture
async def tier(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RenodeTier]:
    """The tier, in a played Renode."""
    monkeypatch.setattr(PlayedHost, "typed", [])
    monkeypatch.setattr(PlayedHost, "loaded", {})
    made = RenodeTier()
    made.farm = Farm(host=PlayedHost)  # type: ignore[arg-type]
    yield made
    await made.close()


async def powered(tier: RenodeTier, name: str, says: bytes) -> Board:
    PlayedHost.says = says
    board = tier.make(name, replace(SETTINGS, name=f"{name}-1".lower()), ENVIRONMENT)
    await board.power_on()
    return board


def written(folder: Path, content: bytes, name: str = "firmware") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def program() -> str:
    """The command that loads the image."""
    return next(line for line in PlayedHost.typed if line.startswith(("sysbus LoadELF", "sysbus LoadBinary")))


async def test_a_variant_of_our_firmware_has_blob_and_bridge(tier: RenodeTier, tmp_path: Path) -> None:
    path = written(tmp_path, elf(address=FLASH, entry=FLASH | 0x41), f"{KIND}.elf")
    tier.add(KIND, ForeignImage(KIND, path))
    board = await powered(tier, KIND, f"BOOT board={KIND}\r\n[I] identity: pump-1\r\n".encode())
    assert program().startswith("sysbus LoadELF @")
    assert PlayedHost.loaded[program().partition("@")[2]] == path.read_bytes()
    origin = find(tier, KIND).provisioning.origin
    assert [line for line in PlayedHost.typed if line.endswith(f" {origin:#x}")], "the blob"
    assert "connector Connect sysbus.usart3 stm32f4-discovery-1-console" in PlayedHost.typed
    assert {"wasm", "tls", "pause"} <= board.features
    await board.cut_power()


async def test_a_firmware_of_another_project_has_its_console(tier: RenodeTier, tmp_path: Path) -> None:
    """A copy of the flash; its console is the first serial line, which is the link of our firmware."""
    path = written(tmp_path, struct.pack("<II", 0x2000_4000, FLASH | 0x41) + bytes(64))
    tier.add("Their_Board", ForeignImage(KIND, path, Source.NOTHING, console=0, ready="^ready"))
    board = await powered(tier, "Their_Board", b"hello\r\nready\r\n")
    assert list(board.console.lines) == ["hello", "ready"]
    assert program().endswith(f" {FLASH:#x}")
    assert "connector Connect sysbus.usart2 stm32f4-discovery-1-console" in PlayedHost.typed
    assert len([line for line in PlayedHost.typed if line.startswith("sysbus LoadBinary")]) == 1, "no blob"
    assert board.features == {"reset", "pause", "monitor"}
    await board.power_off()
    await board.power_on()
    await board.cut_link()
    await board.cut_power()


async def test_each_image_is_its_own(tier: RenodeTier, tmp_path: Path) -> None:
    """Also where two files have one name."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        path = written(tmp_path / name, elf(address=FLASH, entry=FLASH | 0x41) + name.encode(), "firmware.elf")
        tier.add(name, ForeignImage(KIND, path, Source.NOTHING))
        await powered(tier, name, b"")
    images = {line for line in PlayedHost.typed if line.startswith("sysbus LoadELF")}
    assert len(images) == 2


async def test_an_image_for_another_board_is_refused(tier: RenodeTier, tmp_path: Path) -> None:
    tier.add("theirs", ForeignImage(KIND, written(tmp_path, elf(address=0x2100_0000)), at=lambda key: f"line of {key}"))
    with pytest.raises(UsageError, match=r"line of image: .* is for another board"):
        await powered(tier, "theirs", b"")


def test_one_that_would_connect_is_refused(tier: RenodeTier, tmp_path: Path) -> None:
    image = ForeignImage(KIND, tmp_path / "firmware", Source.WORDS, at=lambda key: f"line of {key}")
    with pytest.raises(UsageError, match=r"line of kind: .* have no network(.|\n)*tier qemu with Ethernet"):
        tier.add("theirs", image)


def test_it_needs_no_image_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.boards.renode.tier.find_program", lambda: "renode")
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
    assert RenodeTier.unavailable() is not None
    assert RenodeTier.unavailable_for_images() is None
    tier = RenodeTier()
    tier.add(KIND, ForeignImage(KIND, tmp_path / "my.elf"))
    assert tier.about(KIND).unavailable == f"there is no image my.elf in {tmp_path}"


def find(tier: RenodeTier, name: str) -> Platform:
    return tier._platforms[name].platform

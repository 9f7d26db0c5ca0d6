"""The tier without a Renode: its kinds, and its messages when something is missing or invalid."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from harness.boards.board import BoardEnvironment, BoardSettings, Credentials
from harness.boards.platform import IMAGES_VARIABLE, PLATFORMS_VARIABLE, ROOT
from harness.boards.renode import Farm, RenodeTier, installation, requests
from harness.boards.renode import farm as farms
from harness.boards.renode import tier as room
from harness.boards.renode.image import loadable
from harness.boards.renode.machines import MachineHost
from harness.boards.renode.platform import find_renode_platforms
from harness.boards.renode.serial import SerialLine
from harness.core.clock import Clock, SystemClock
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork

SETTINGS = BoardSettings("pump-1", Credentials(b"", b""), ("127.0.0.1", 1), "localhost")
ENVIRONMENT = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness(1))
KIND = "stm32f4-discovery"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(installation.VARIABLE, raising=False)
    installation.program_version.cache_clear()
    yield
    installation.program_version.cache_clear()


def program(folder: Path, text: str) -> str:
    path = folder / "renode"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


# what is here


def test_a_missing_renode_is_reported_with_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(room, "has_library", lambda: False)
    monkeypatch.setattr(installation, "has_library", lambda: False)
    why = RenodeTier.unavailable() or ""
    assert "docs/renode.md" in why
    assert "\n" not in why
    failure, _ = installation.describe()
    assert failure is not None
    assert failure.startswith("not found: install Renode")


def test_a_variable_that_names_no_program_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(installation.VARIABLE, str(tmp_path / "nothing"))
    monkeypatch.setattr(installation, "has_library", lambda: False)
    failure, _ = installation.describe()
    assert failure is not None
    assert "which is not a program" in failure


@pytest.mark.parametrize(
    ("says", "version", "failure"),
    [
        ("Renode v1.15.0.11167", (1, 15, 0, 11167), None),
        ("Renode, version 1.16.1", (1, 16, 1), None),
        ("Renode v1.13.3", (1, 13, 3), "1.15 or newer is needed"),
        ("what?", None, "does not start: it printed no version"),
    ],
)
def test_the_version_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, version: tuple[int, ...] | None, failure: str | None
) -> None:
    named = program(tmp_path, f"echo '{says}'")
    monkeypatch.setenv(installation.VARIABLE, named)
    assert installation.find_program() == named
    assert installation.program_version(named) == version
    wrong, found = installation.describe()
    assert named in (wrong or found)
    assert (failure in (wrong or "")) if failure else wrong is None


def test_one_that_cannot_be_run_has_no_version(tmp_path: Path) -> None:
    assert installation.program_version(str(tmp_path / "nothing")) is None


def test_pyrenode3_alone_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(installation, "has_library", lambda: True)
    assert installation.describe() == (None, "through pyrenode3")


def test_missing_images_are_reported_with_how_to_get_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(installation.VARIABLE, program(tmp_path, "true"))
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
    assert "make firmware" in (RenodeTier.unavailable() or "")
    (tmp_path / f"{KIND}.elf").touch()
    assert RenodeTier.unavailable() is None


# what it offers


def test_the_kinds_are_those_of_the_platforms() -> None:
    tier = RenodeTier()
    assert {KIND, "arduino-nano-33-ble", "stm32f746g-disco", "arduino-uno-r4"} == set(tier.kinds())
    assert {"tls", "wasm", "csr", "pause"} <= tier.features() == tier.features(tier.kinds()[0])
    assert tier.memory(KIND) <= 60 << 20


def test_a_refused_board_is_reported_with_the_reason() -> None:
    tier = RenodeTier()
    with pytest.raises(UsageError, match=r"arduino-uno-r4: .*32 KiB"):
        tier.make("arduino-uno-r4", SETTINGS, ENVIRONMENT)
    assert "32 KiB" in (tier.about("arduino-uno-r4").unavailable or "")


def test_an_unknown_kind_is_the_callers_mistake() -> None:
    for ask in (RenodeTier().features, RenodeTier().about, lambda kind: RenodeTier().make(kind, SETTINGS, ENVIRONMENT)):
        with pytest.raises(UsageError, match="no board kind 'quantum'"):
            ask("quantum")


async def test_a_board_without_image_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path))
    tier = RenodeTier()
    assert "make firmware" in (tier.about(KIND).unavailable or "")
    with pytest.raises(RigError, match=rf"there is no image {KIND}\.elf"):
        await tier.make(KIND, SETTINGS, ENVIRONMENT).power_on()


@pytest.mark.parametrize("text", ["many", "0"])
def test_the_number_of_machines_is_checked(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(room.MACHINES_VARIABLE, text)
    with pytest.raises(UsageError):
        RenodeTier()


# an own board


def own(folder: Path, monkeypatch: pytest.MonkeyPatch, old: str = "", new: str = "") -> None:
    monkeypatch.setenv(PLATFORMS_VARIABLE, str(folder))
    text = (ROOT / "platforms" / KIND / "board.toml").read_text("utf-8")
    assert old in text
    path = folder / "mine" / "board.toml"
    path.parent.mkdir()
    path.write_text(text.replace(f'name = "{KIND}"', 'name = "mine"').replace(old, new), "utf-8")


def test_a_folder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own(tmp_path, monkeypatch, "mips = 100", 'mips = 50\ncommands = ["sysbus LogAllPeripheralsAccess"]')
    kind = find_renode_platforms()["mine"]
    assert (kind.mips, kind.commands) == (50, ("sysbus LogAllPeripheralsAccess",))
    assert kind.description == (tmp_path / "mine" / f"{KIND}.repl").resolve()
    with pytest.raises(RigError, match=rf"there is no {KIND}\.repl"):
        RenodeTier().make("mine", SETTINGS, ENVIRONMENT)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('link = "sysbus.usart2"', "", r"\[renode\] lacks the key 'link'"),
        ("quantum = 0.005", "quantum = 0", r"quantum must be above 0"),
        ("mips = 100", 'mips = "fast"', r"\[renode\] is invalid"),
    ],
)
def test_an_error_in_the_renode_section_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, words: str
) -> None:
    own(tmp_path, monkeypatch, old, new)
    with pytest.raises(UsageError, match=words) as caught:
        find_renode_platforms()
    assert "board.toml" in str(caught.value)


# the farm


async def test_saving_needs_disk_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(farms, "ROOM", 1 << 60)
    with pytest.raises(RigError, match="MiB are needed to save boards"):
        await Farm().snapshot(tmp_path)


async def test_a_farm_without_hosts_has_nothing_to_do() -> None:
    farm = Farm()
    await farm.run_for(1)
    assert farm.stands
    await farm.run()
    snapshot = await farm.snapshot()
    assert snapshot.size == 0
    await snapshot.restore()
    folder = farm.folder
    assert folder.exists()
    await farm.close()
    assert not folder.exists()


# the serial line


async def test_a_terminal_is_a_transport_both_ways() -> None:
    loop = asyncio.get_running_loop()
    more: asyncio.Queue[object] = asyncio.Queue()

    class Protocol(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            more.put_nowait(data)

        def pause_writing(self) -> None:
            more.put_nowait("pause")

        def resume_writing(self) -> None:
            more.put_nowait("resume")

        def connection_lost(self, exc: Exception | None) -> None:
            more.put_nowait("lost")

    master, slave = pty.openpty()
    tty.setraw(slave)
    line = SerialLine.open(Path(os.ttyname(slave)), Protocol())
    os.close(slave)
    os.write(master, bytes(range(256)))
    heard = b""
    while len(heard) < 256:
        heard += await more.get()  # type: ignore[operator]
    assert heard == bytes(range(256))

    line.pause_reading()
    os.write(master, b"later")
    line.resume_reading()
    assert await more.get() == b"later"

    # More than the terminal holds: the protocol has to wait, and every byte arrives.
    sent = bytes(range(256)) * 1024
    line.write(sent)
    assert await more.get() == "pause"
    os.set_blocking(master, False)
    got = bytearray()
    done = loop.create_future()

    def read() -> None:
        got.extend(os.read(master, 65_536))
        if len(got) >= len(sent) and not done.done():
            done.set_result(None)

    loop.add_reader(master, read)
    await done
    assert got == sent
    assert await more.get() == "resume"
    loop.remove_reader(master)

    os.close(master)
    assert await more.get() == "lost"
    assert line.is_closing()
    line.write(b"nobody hears")
    line.close()


async def test_a_serial_line_that_is_missing_or_not_a_terminal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RigError, match="serial line does not exist"):
        SerialLine.open(tmp_path / "1.link", asyncio.Protocol())
    (tmp_path / "file").touch()
    with pytest.raises(RigError, match="is not a terminal"):
        SerialLine.open(tmp_path / "file", asyncio.Protocol())


@pytest.mark.parametrize("kind", ["stm32f4-discovery", "arduino-nano-33-ble", "stm32f746g-disco"])
def test_a_machine_gets_the_loaded_part_without_symbols(kind: str) -> None:
    image = find_renode_platforms()[kind].platform.image_path
    if not image.exists():
        pytest.skip(f"no image of {kind}: `make firmware`")
    with image.open("rb") as file:
        whole = ELFFile(file)
        part = ELFFile(io.BytesIO(loadable(image)))
        assert part.num_sections() == 0 < whole.num_sections()
        assert part["e_entry"] == whole["e_entry"]
        pairs = zip(whole.iter_segments(), part.iter_segments(), strict=True)
        assert all(one.header == other.header and one.data() == other.data() for one, other in pairs)


# snapshots that are no more what was saved


class SavingHost:
    """A host process that saves a file and records its requests."""

    pid, failure, on_end = 1, None, None

    def __init__(self, name: str, clock: Clock) -> None:
        self.name, self.clock, self.asked = name, clock, list[str]()

    async def start(self) -> None: ...

    async def kill(self) -> None:
        self.asked.append("kill")

    async def ask(self, request: requests.Request) -> str:
        self.asked.append(type(request).__name__)
        if isinstance(request, requests.Save):
            Path(request.path).write_bytes(bytes(range(256)) * 40)  # noqa: ASYNC240
        return ""


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is damaged: it is not what was saved"),
        (lambda path: path.write_bytes(b"\x01" + path.read_bytes()[1:]), "is damaged: it is not what was saved"),
        (lambda path: path.unlink(), "cannot be read: No such file or directory"),
    ],
    ids=["cut", "changed", "gone"],
)
async def test_a_damaged_snapshot_is_refused_before_anything_changes(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    farm = Farm(host=SavingHost)  # type: ignore[arg-type]
    farm._hosts.append(MachineHost(farm._make("host 1", ENVIRONMENT.clock)))
    snapshot = await farm.snapshot(tmp_path)
    assert snapshot.size == 10_240
    path = tmp_path / os.listdir(tmp_path)[0]
    spoil(path)
    with pytest.raises(RigError, match=words) as refused:
        await snapshot.restore()
    assert refused.value.where == str(path)
    (host,) = farm._hosts
    assert "kill" not in host.process.asked, "the boards still run"  # type: ignore[attr-defined]

"""An image of another project is declared in a table, checked against its board, and told its settings."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.boards.board import BoardEnvironment, BoardSettings, Credentials
from harness.boards.foreign import ForeignImage, Source
from harness.boards.foreign_settings import PLACEHOLDERS, learned
from harness.boards.image import check_image
from harness.boards.image_table import read_image
from harness.boards.platform import IMAGES_VARIABLE, Platform, find_platforms
from harness.boards.qemu import QemuTier
from harness.core.clock import SystemClock
from harness.core.errors import HarnessError, UsageError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.stack.backends import check_options
from harness.stack.board_choice import board_catalogue
from harness.stack.options import StackOptions
from harness.wasmbed.pki.keys import Algorithm, generate_key, private_key_der

PLATFORMS = find_platforms("qemu-system-arm", "qemu-system-riscv32")
MPS2 = PLATFORMS["mps2-an385"]
WORDS = 0x2000_1000
ARM, RISCV, X86 = 40, 243, 62
VERSION_5, HARD_FLOAT = 0x0500_0000, 0x400


def elf(
    *,
    machine: int = ARM,
    flags: int = VERSION_5,
    address: int = 0,
    entry: int = 0x41,
    size: int = 64,
    bits: int = 32,
    segments: int = 1,
) -> bytes:
    """An ELF file with one segment of ``size`` bytes at ``address``."""
    word = "I" if bits == 32 else "Q"
    header, part = (52, 32) if bits == 32 else (64, 56)
    start = struct.pack(
        f"<16sHHI3{word}I6H",
        b"\x7fELF" + bytes([bits // 32, 1, 1]),
        *(2, machine, 1, entry, header if segments else 0, 0, flags, header, part, segments, 0, 0, 0),
    )
    if bits == 32:
        load = struct.pack("<8I", 1, header + part, address, address, size, size, 5, 4)
    else:
        load = struct.pack("<II6Q", 1, 5, header + part, address, address, size, size, 4)
    return start + load * segments + bytes(size)


def foreign(path: Path, **facts: Any) -> ForeignImage:
    return ForeignImage(MPS2.name, path, **facts)


def platform(path: Path, kind: str = MPS2.name, **facts: Any) -> Platform:
    return PLATFORMS[kind].with_image("theirs", ForeignImage(kind, path, **facts))


@pytest.mark.parametrize(
    "image",
    [
        elf(),
        elf(address=0x2000_0000),
        elf(address=0x2100_0000, entry=0x2100_0001),
        struct.pack("<II", 0x2000_4000, 0x41) + bytes(64),
    ],
    ids=["flash", "ram", "further ram", "copy of the flash"],
)
def test_an_image_that_fits(tmp_path: Path, image: bytes) -> None:
    path = tmp_path / "image"
    path.write_bytes(image)
    check_image(platform(path))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (elf(machine=X86), "for another processor: EM_X86_64, not EM_ARM"),
        (elf(machine=RISCV), "for another processor: EM_RISCV, not EM_ARM"),
        (elf(bits=64), "for another processor: 64 bit"),
        (elf(flags=VERSION_5 | HARD_FLOAT), "registers of an FPU"),
        (elf(entry=0x40), "it starts with Arm code, and a Cortex-M has only Thumb"),
        (elf(address=0x0800_0000), "for another board: it has 64 bytes at 0x08000000, where there is no memory"),
        (elf(segments=0), "has nothing to load"),
        (elf(size=0), "has nothing to load"),
        (elf()[:-1], "is cut off"),
        (elf()[:20], "is not an image"),
        (b"", "neither an ELF file nor a copy of the flash"),
        (b"#!/bin/sh\nexit\n", "neither an ELF file nor a copy of the flash"),
        (struct.pack("<II", 0x2000_4000, 0x40) + bytes(64), "neither an ELF file nor a copy of the flash"),
        (struct.pack("<II", 0x2000_4000, 0x41) + bytes(4 << 20), "the flash only 4194304"),
    ],
)
def test_an_image_that_does_not_fit_is_refused_with_what_to_do(tmp_path: Path, image: bytes, words: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(image)
    with pytest.raises(UsageError, match=words) as refused:
        check_image(platform(path))
    assert refused.value.where == "--image"
    assert "build it for mps2-an385 (thumbv7m-none-eabi); its memory: 0x00000000 to" in str(refused.value.do)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no image nothing\.elf in ") as refused:
        check_image(platform(tmp_path / "nothing.elf"))
    assert refused.value.do == "build it, or correct the path"
    with pytest.raises(UsageError, match="is not an image: "):
        check_image(platform(tmp_path))


def test_risc_v_takes_only_elf_files(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(struct.pack("<II", 0x2000_4000, 0x41))
    with pytest.raises(UsageError, match="is not an ELF file"):
        check_image(platform(path, "riscv32-virt"))


def test_words_do_not_lie_in_the_program(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(elf(address=WORDS + 0x100))
    check_image(platform(path, source=Source.WORDS, address=WORDS, size=0x100))
    with pytest.raises(UsageError, match=r"has 64 bytes of code or data at 0x20001100, where its words go"):
        check_image(platform(path, source=Source.WORDS, address=WORDS, size=0x101))


def environment() -> BoardEnvironment:
    return BoardEnvironment(SystemClock(), SystemNetwork(), Randomness(1))


def settings() -> BoardSettings:
    credentials = Credentials(b"authority", private_key_der(generate_key(Algorithm.P256)), b"certificate")
    return BoardSettings("board-1", credentials, ("10.0.2.2", 4000), "localhost")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{endpoint}", b"10.0.2.2:4000"),
        ("{host} {port}\n{name}", b"10.0.2.2 4000\nboard-1"),
        ("{certificate}{pairing_token}", b"certificate".hex().encode()),
        ('{"plain": {}}', b'{"plain": {}}'),
    ],
)
def test_words_are_a_length_and_a_text(text: str, expected: bytes) -> None:
    image = foreign(Path("image"), source=Source.WORDS, size=1024, text=text)
    assert learned(image, settings(), environment()) == len(expected).to_bytes(4, "little") + expected


def test_every_placeholder_has_a_value() -> None:
    text = " ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    found = learned(foreign(Path("image"), source=Source.WORDS, size=4096, text=text), settings(), environment())
    assert b"{" not in found


@pytest.mark.parametrize(
    ("text", "size", "words"),
    [
        ("{endpiont}", 100, "unknown placeholder {endpiont}(.|\n)*did you mean 'endpoint'"),
        ("{private_key}", 100, r"the words of board-1 have \d+ bytes, more than the 100"),
    ],
)
def test_words_that_cannot_be_written_are_refused(text: str, size: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        learned(foreign(Path("image"), source=Source.WORDS, size=size, text=text), settings(), environment())


def test_files_are_in_a_file_system() -> None:
    littlefs = pytest.importorskip("littlefs")
    entries = (("certs/ca-cert.der", "{authority}"), ("/endpoint.txt", "{endpoint}\n"), ("empty", "{pairing_token}"))
    image = foreign(Path("image"), source=Source.FILES, size=65536, sector=512, entries=entries)
    content = learned(image, settings(), environment())
    assert len(content) == 65536
    system = littlefs.LittleFS(block_size=512, block_count=128, mount=False)
    system.context.buffer[:] = content
    system.mount()
    found = {}
    for name in ("certs/ca-cert.der", "endpoint.txt", "empty"):
        with system.open(name, "rb") as file:
            found[name] = file.read()
    assert found == {"certs/ca-cert.der": b"authority", "endpoint.txt": b"10.0.2.2:4000\n", "empty": b""}


@pytest.mark.parametrize(
    ("source", "size", "names"),
    [
        (Source.FILES, 1024, ("a", "b", "c", "d", "e")),
        (Source.FILES, 512, ("a",)),
        (Source.FILES, 65536, ("a", "a/b")),
        (Source.FILES, 65536, ("a" * 256,)),
        (Source.SETTINGS, 512, ("a",)),
    ],
)
def test_entries_that_cannot_be_written_are_refused(source: Source, size: int, names: tuple[str, ...]) -> None:
    if source is Source.FILES:
        pytest.importorskip("littlefs")
    entries = tuple((name, "{private_key}") for name in names)
    image = foreign(Path("image"), source=source, size=size, sector=512, entries=entries)
    with pytest.raises(UsageError, match=f"the {source} of board-1 cannot be written: "):
        learned(image, settings(), environment())


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "there is no image"),
        ({"image": ""}, "image must be a text"),
        ({"image": "x", "adress": 1}, "unknown key 'adress'(.|\n)*did you mean 'address'"),
        ({"image": "x", "source": "stars"}, "source must be one of blob, words, settings, files, nothing"),
        ({"image": "x", "source": "settings", "address": 1, "size": 8192}, "source settings needs the key 'entries'"),
        ({"image": "x", "source": "settings", "entries": {"a": 1}}, "needs the key 'address'"),
        ({"image": "x", "source": "words"}, "source words needs the key 'address'"),
        ({"image": "x", "address": 1}, "address has no meaning for source blob"),
        ({"image": "x", "source": "words", "address": -1}, "address must be a whole number"),
        ({"image": "x", "source": "words", "address": True}, "address must be a whole number"),
        ({"image": "x", "source": "nothing", "port": 65536}, "port must be a whole number"),
        ({"image": "x", "console": 2}, "console must be a whole number from 0 to 0x1"),
        ({"image": "x", "source": "nothing", "port": 1, "ready": "("}, "ready is not a regular expression"),
        ({"image": "x", "features": ["wasn"]}, "did you mean 'wasm'"),
        ({"image": "x", "features": "wasm"}, "features must be a list"),
    ],
)
def test_a_wrong_table_is_refused_with_its_key(table: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_image(table, Path(), "here {}".format)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    def made(text: str) -> Path:
        (tmp_path / "harness.toml").write_text(text)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return made


qemu = pytest.mark.skipif(QemuTier.unavailable() is not None, reason=str(QemuTier.unavailable()))
TABLE = """
fleet = 2
[boards.theirs]
kind = "mps2-an385"
image = "build/theirs.elf"
source = "words"
address = 0x2000_1000
features = ["tls"]
"""


@qemu
def test_a_table_is_a_kind_of_boards(project: Callable[[str], Path]) -> None:
    folder = project(TABLE)
    tier, kind, link = board_catalogue(StackOptions(boards="theirs")).find("theirs")
    assert (tier.name, kind, link) == ("qemu", "theirs", None)
    assert tier.features("theirs") == {"tls", "reset", "pause", "debug"}
    assert "wasm" in tier.features("mps2-an385")
    assert str(folder / "build/theirs.elf") in tier.about("theirs").summary
    assert "there is no image theirs.elf" in str(tier.about("theirs").unavailable)
    check_options(StackOptions(boards="theirs"))


@qemu
@pytest.mark.parametrize("boards", ["mps2-an385", "mps2-an385+ethernet", "theirs", "qemu"])
def test_the_option_names_the_image_of_the_chosen_boards(project: Callable[[str], Path], boards: str) -> None:
    project(TABLE)
    options = StackOptions(boards=boards, image=Path("other.elf"))
    check_options(options)
    tier, kind, _ = board_catalogue(options).find(boards)
    assert "there is no image other.elf" in str(tier.about(kind).unavailable)
    others = set(tier.kinds()) - {kind, "theirs"}
    assert not [other for other in others if "other.elf" in tier.about(other).summary]


@qemu
@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        ("", {"boards": "virtual", "image": Path("x")}, "boards of kind virtual take no image"),
        (
            '[boards.x]\nkind = "netduinoplus2"\nimage = "x"\nsource = "words"\naddress = 1\n',
            {"boards": "x"},
            r"line 2: boards of kind netduinoplus2 have no Ethernet(.|\n)*choose mps2-an385(.|\n)*lm3s6965evb",
        ),
        ("", {"boards": "mps2", "image": Path("x")}, "no boards of kind 'mps2'|unknown boards 'mps2'"),
        (
            '[boards.x]\nkind = "mps3"\nimage = "x"\n',
            {"boards": "x"},
            r"\[boards.x\], line 2: there are no boards of kind 'mps3'",
        ),
        ('[boards.x]\nkind = "virtual"\nimage = "x"\n', {"boards": "x"}, "boards of kind virtual take no image"),
        ('[boards.x]\nimage = "x"\nfoo = 1\n', {"boards": "x"}, r"\[boards.x\], line 3(.|\n)*unknown key 'foo'"),
        ("[boards]\nx = 1\n", {"boards": "x"}, r"write \[boards.NAME\]"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(
    project: Callable[[str], Path], table: str, options: dict[str, Any], words: str
) -> None:
    project(table)
    with pytest.raises(HarnessError, match=words):
        check_options(StackOptions(**options))


@qemu
def test_boards_with_images_do_not_need_ours(
    project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project(TABLE)
    monkeypatch.setenv(IMAGES_VARIABLE, str(tmp_path / "none"))
    assert "there is no firmware image" in str(QemuTier.unavailable())
    tier, _, _ = board_catalogue(StackOptions(boards="theirs")).find("theirs")
    assert tier.name == "qemu"

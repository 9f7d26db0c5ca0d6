"""A firmware that this project's crates do not make runs on a known machine, by its declaration alone."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuBoard
from harness.core.errors import RigError, UsageError
from harness.stack import Stack, StackOptions
from harness.stack.board_choice import board_catalogue
from harness.testing.board import Expectations, Verdict, board_promises
from tests.firmware.foreign_build import MISSING, build

pytestmark = [pytest.mark.system("QEMU"), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]

TABLE = """
[boards.foreign]
kind = "mps2-an385"
image = "foreign.elf"
source = "words"
address = 0x2000_1000
text = "{endpoint} {name} {public_key} {entropy}"
ready = "^ready: "
"""


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware, built."""
    return build(tmp_path_factory.mktemp("foreign") / "foreign.elf", "-DWORDS=0x20001000")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Path) -> Callable[[str], Path]:
    """Makes a project with that ``harness.toml`` the working folder."""

    def made(text: str) -> Path:
        shutil.copy(image, tmp_path)
        (tmp_path / "harness.toml").write_text(text)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    return made


async def test_it_enrolls_and_comes_back_after_its_link_broke(project: Callable[[str], Path]) -> None:
    project(TABLE)
    async with Stack(StackOptions(boards="foreign", heartbeat=1.0)) as stack:
        board = await stack.boards.power_on()
        device = stack.device(board)
        await device.until(phase="Connected", within=60)
        assert board.kind == "foreign"
        assert board.console.lines[0] == "a foreign firmware"
        request = stack.history.find("EnrollmentRequest", about=board.name)[0]
        assert request.data["firmwareVersion"] == "foreign 1.0"
        assert stack.history.find("TlsConnected", about=board.name)[0].data["version"] == "TLSv1.3"
        await board.cut_link()
        await device.until(phase="Disconnected", within=60)
        await board.restore_link()
        await device.until(phase="Connected", within=60)
        await board.reset()
        await device.until(phase="Disconnected", within=60)
        await device.until(phase="Connected", within=60)
        await board.power_off()
        await device.until(phase="Disconnected", within=60)
        await board.power_on()
        await device.until(phase="Connected", within=60)
        stack.judge()


async def test_a_port_that_the_peer_still_has_is_given_up(project: Callable[[str], Path]) -> None:
    """After a reset it begins at the port of a connection that the network still has for open, and that answers no new
    one: it resets that connection when it hears of it (RFC 9293, section 3.5.1)."""
    folder = project(TABLE.replace("foreign.elf", "ports.elf"))
    build(folder / "ports.elf", "-DWORDS=0x20001000", "-DPORTS_FROM=1")
    async with Stack(StackOptions(boards="foreign", heartbeat=1.0)) as stack:
        board = await stack.boards.power_on()
        device = await stack.device(board).until(phase="Connected", within=60)
        await board.reset()
        await device.until(phase="Disconnected", within=60)
        await device.until(phase="Connected", within=60)
        stack.judge()


PROMISES = {
    "enrolls_with_certificate": Verdict.KEPT,
    "survives_garbage": Verdict.KEPT,
    "tells_about_itself": Verdict.KEPT,
    "restarts_with_its_identity": Verdict.KEPT,
    "leaves_nothing_without_power": Verdict.KEPT,
    "ignores_what_it_did_not_ask": Verdict.NOT_KEPT,
    "refuses_an_unknown_authority": Verdict.NOT_APPLICABLE,
    "enrolls_with_signing_request": Verdict.NOT_APPLICABLE,
    "runs_and_publishes": Verdict.NOT_APPLICABLE,
}


async def test_the_kit_lists_the_promises_that_it_keeps(project: Callable[[str], Path]) -> None:
    project(TABLE)
    catalogue = board_catalogue(StackOptions())
    tier, kind, _ = catalogue.find("foreign")
    try:
        found = await board_promises(
            lambda settings, environment: tier.make(kind, settings, environment),
            only=PROMISES,
            at_once=4,
            expectations=Expectations(patience=120, heartbeat=2.0),
        )
    finally:
        await catalogue.close()
    assert {promise.name: promise.verdict for promise in found} == PROMISES
    broken = next(promise for promise in found if promise.verdict is Verdict.NOT_KEPT)
    assert "EnrollmentAcknowledgment" in str(broken.error)


def copy_of_the_flash(folder: Path) -> Path:
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", "foreign.elf", "foreign.bin"], check=True, cwd=folder)
    return folder / "foreign.bin"


async def test_a_copy_of_the_flash_enrolls(project: Callable[[str], Path]) -> None:
    flash = copy_of_the_flash(project(TABLE))
    async with Stack(StackOptions(boards="foreign", image=flash)) as stack:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected", within=60)
        stack.judge()


async def test_an_image_that_does_not_get_ready_is_not_run(
    project: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other words than it expects the firmware stops before its ready line."""
    monkeypatch.setattr(QemuBoard, "RUNS_WITHIN", 3.0)
    project(TABLE.replace('"{endpoint}', '"other {endpoint}'))
    async with Stack(StackOptions(boards="foreign")) as stack:
        with pytest.raises(RigError, match=r"did not come up within 3 s(.|\n)*line 8") as failed:
            await stack.boards.power_on()
        assert "check the image" in str(failed.value.do)


async def test_an_image_for_another_machine_is_refused(project: Callable[[str], Path]) -> None:
    project(TABLE.replace("mps2-an385", "mps2-an505"))
    async with Stack(StackOptions(boards="foreign")) as stack:
        with pytest.raises(UsageError, match=r"\[boards.foreign\], line 4(.|\n)*is for another board") as refused:
            await stack.boards.power_on()
        assert "build it for mps2-an505" in str(refused.value.do)


def with_port_compiled_in(project: Callable[[str], Path], port: int) -> None:
    folder = project(f'[boards.fixed]\nkind = "mps2-an385"\nimage = "fixed.elf"\nsource = "nothing"\nport = {port}\n')
    words = f"10.0.2.2:{port} fixed 00 {'5a' * 32}"
    build(folder / "fixed.elf", f'-DCOMPILED_IN="{words}"')


async def test_a_firmware_that_learns_nothing_finds_its_port(project: Callable[[str], Path]) -> None:
    """It cannot know its key, so the gateway refuses it, and both of its frames are on record."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with_port_compiled_in(project, port)
        async with Stack(StackOptions(boards="fixed")) as stack:
            with pytest.raises(RigError, match=f"port {port} cannot be used(.|\\n)*only one board can be on"):
                await stack.boards.power_on()
    async with Stack(StackOptions(boards="fixed")) as stack:
        board = await stack.boards.power_on()
        await stack.history.until("EnrollmentRequest", about=board.name, within=60)
        await stack.history.until("Error", about=board.name, within=60, code="CERTIFICATE_INVALID")


async def test_a_firmware_with_tls_of_its_own_gets_none_from_the_harness(project: Callable[[str], Path]) -> None:
    """This one has none, so the gateway sees bytes that are not TLS."""
    project(TABLE + 'features = ["tls"]\n')
    async with Stack(StackOptions(boards="foreign")) as stack:
        board = await stack.boards.power_on()
        await stack.history.until("LinkOpened", about=board.name, within=60)
        await stack.history.until("TlsRejected", within=60)


async def test_a_firmware_that_does_not_connect_has_a_console(project: Callable[[str], Path]) -> None:
    project('[boards.quiet]\nkind = "mps2-an385"\nimage = "foreign.elf"\nsource = "nothing"\nready = "^a foreign"\n')
    async with Stack(StackOptions(boards="quiet")) as stack:
        board = await stack.boards.power_on()
        await board.console.until("cannot start: no words", within=60)


async def test_the_other_ethernet_controller(project: Callable[[str], Path]) -> None:
    """The Stellaris one of lm3s6965evb: it enrolls, and comes back after its link broke."""
    folder = project(TABLE.replace("mps2-an385", "lm3s6965evb").replace("foreign.elf", "stellaris.elf"))
    build(folder / "stellaris.elf", "-DWORDS=0x20001000", board="lm3s6965evb")
    async with Stack(StackOptions(boards="foreign", heartbeat=1.0)) as stack:
        board = await stack.boards.power_on()
        device = stack.device(board)
        await device.until(phase="Connected", within=60)
        request = stack.history.find("EnrollmentRequest", about=board.name)[0]
        assert request.data["mcuType"] == "lm3s6965evb"
        await board.cut_link()
        await device.until(phase="Disconnected", within=60)
        await board.restore_link()
        await device.until(phase="Connected", within=60)
        stack.judge()


SETTINGS = """
[boards.zephyr]
kind = "mps2-an385"
image = "zephyr.elf"
source = "settings"
address = 0x2110_0000
size = 8192
sector = 1024
ready = "^ready: "

[boards.zephyr.entries]
"wasmbed/authority" = "{authority}"
"wasmbed/endpoint" = "{endpoint}"
"wasmbed/name" = "{name}"
"wasmbed/public_key" = "{public_key}"
"wasmbed/entropy" = "{entropy}"
"""


async def test_a_firmware_reads_a_settings_partition(project: Callable[[str], Path]) -> None:
    build(project(SETTINGS) / "zephyr.elf", "-DSETTINGS=0x21100000", "-DPARTITION=8192", "-DSECTOR=1024")
    async with Stack(StackOptions(boards="zephyr")) as stack:
        board = await stack.boards.power_on()
        await stack.device(board).until(phase="Connected", within=60)
        stack.judge()


@pytest.mark.parametrize("boards", ["mps2-an385", "mps2-an385+ethernet"])
async def test_a_variant_of_our_firmware_needs_no_table(boards: str, tmp_path: Path) -> None:
    ours = find_platforms("qemu-system-arm")["mps2-an385"]
    if ours.missing_image is not None:
        pytest.skip(f"{ours.missing_image}: `make firmware`")
    variant = tmp_path / "variant.elf"
    shutil.copy(ours.image_path, variant)
    async with Stack(StackOptions(boards=boards, image=variant)) as stack:
        board = await stack.boards.power_on()
        device = stack.device(board)
        await device.until(phase="Connected", within=60)
        assert {"wasm", "storage"} <= board.features
        assert "record" not in board.features
        await board.power_off()
        assert board.console.lines[-1].endswith("power: off")
        stack.judge()

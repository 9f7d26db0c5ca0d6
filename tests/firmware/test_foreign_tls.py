"""A firmware with a TLS library of its own, which learns its identity from words or from a file system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.stack import Stack, StackOptions
from harness.stack.board_choice import board_catalogue
from harness.testing.board import Expectations, Verdict, board_promises
from tests.firmware.foreign_build import MISSING, build

pytestmark = [pytest.mark.system("QEMU"), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]

TABLE = """
[boards.secure]
kind = "mps2-an385"
image = "secure.elf"
source = "words"
address = 0x2110_0000
size = 8192
text = "{endpoint} {name} {public_key} {entropy} {time} {server_name} {authority} {certificate} {private_key}"
ready = "^ready: "
features = ["tls", "dates"]
"""
FILES = """
[boards.secure]
kind = "mps2-an385"
image = "secure.elf"
source = "files"
address = 0x2110_0000
size = 65536
ready = "^ready: "
features = ["tls", "dates"]

[boards.secure.entries]
"wasmbed/endpoint" = "{endpoint}"
"wasmbed/name" = "{name}"
"wasmbed/public_key" = "{public_key}"
"wasmbed/entropy" = "{entropy}"
"wasmbed/time" = "{time}"
"wasmbed/server_name" = "{server_name}"
"wasmbed/authority" = "{authority}"
"wasmbed/certificate" = "{certificate}"
"wasmbed/private_key" = "{private_key}"
"""


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds the firmware, once for each flag."""
    folder = tmp_path_factory.mktemp("foreign-tls")

    def image(flag: str) -> Path:
        path = folder / f"{flag}.elf"
        if not path.exists():
            build(path, flag, "-DPARTITION=65536", "-DSECTOR=4096", tls=True)
        return path

    return image


@pytest.mark.parametrize(("table", "flag"), [(TABLE, "-DWORDS=0x21100000"), (FILES, "-DFILES=0x21100000")])
async def test_it_enrolls_with_tls_of_its_own(
    table: str,
    flag: str,
    images: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "harness.toml").write_text(table.replace("secure.elf", str(images(flag))))
    monkeypatch.chdir(tmp_path)
    async with Stack(StackOptions(boards="secure", heartbeat=1.0)) as stack:
        board = await stack.boards.power_on()
        device = stack.device(board)
        await device.until(phase="Connected", within=120)
        assert "tls: TLSv1.3 TLS1-3-AES-128-GCM-SHA256" in board.console.lines
        assert stack.history.find("TlsConnected", about=board.name)[0].data["version"] == "TLSv1.3"
        await board.cut_link()
        await device.until(phase="Disconnected", within=120)
        await board.restore_link()
        await device.until(phase="Connected", within=120)
        stack.judge()


PROMISES = {
    "authenticates_with_tls_1_3": Verdict.KEPT,
    "enrolls_with_certificate": Verdict.KEPT,
    "refuses_an_unknown_authority": Verdict.KEPT,
    "refuses_a_wrong_server_name": Verdict.KEPT,
    "resumes_after_a_lost_link": Verdict.KEPT,
    "survives_garbage": Verdict.KEPT,
}


async def test_the_kit_lists_the_promises_of_its_tls(
    images: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "harness.toml").write_text(TABLE.replace("secure.elf", str(images("-DWORDS=0x21100000"))))
    monkeypatch.chdir(tmp_path)
    catalogue = board_catalogue(StackOptions())
    tier, kind, _ = catalogue.find("secure")
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

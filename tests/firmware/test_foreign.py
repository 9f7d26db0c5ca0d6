"""A firmware that this project's crates do not make runs on a known machine, by its declaration alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.boards.qemu import QemuTier
from harness.stack import Stack, StackOptions

SOURCES = Path(__file__).parent / "foreign"
COMPILER = "arm-none-eabi-gcc"
FLAGS = ("-mcpu=cortex-m3", "-mthumb", "-Os", "-g", "-std=c11", "-Wall", "-Wextra", "-Werror", "-nostartfiles")


def why_not() -> str | None:
    """Why the firmware cannot be built or run here; None if it can."""
    if shutil.which(COMPILER) is None:
        return f"{COMPILER} is not installed; on Debian: apt-get install gcc-arm-none-eabi"
    found = subprocess.run([COMPILER, "-print-file-name=nano.specs"], capture_output=True, text=True, check=True)
    if not Path(found.stdout.strip()).is_absolute():
        return "newlib is not installed; on Debian: apt-get install libnewlib-arm-none-eabi"
    return QemuTier.unavailable()


MISSING = why_not()
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
    built = tmp_path_factory.mktemp("foreign") / "foreign.elf"
    sources = [str(path) for path in sorted(SOURCES.glob("*.c"))]
    linking = ("--specs=nano.specs", "-T", str(SOURCES / "mps2.ld"), "-o", str(built))
    subprocess.run([COMPILER, *FLAGS, *sources, *linking], check=True)
    return built


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

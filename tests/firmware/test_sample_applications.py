"""The sample applications behave alike on a virtual board, in wasmtime, and on real firmware, in wasmi."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.boards.platform import find_platforms
from harness.boards.qemu import QemuTier
from harness.core.loop import new_runner
from harness.stack import Stack, StackOptions

KIND = "mps2-an385"
MODULES = Path(__file__).parents[2] / "firmware" / "apps" / "modules"
IMAGE = find_platforms("qemu-system-arm")[KIND].image_path


@dataclass(frozen=True)
class Sample:
    """A module, its arguments, and the number of publications or the fault that is expected."""

    module: str
    publications: int = 0
    fault: str | None = None
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return "-".join((self.module, *self.args))


SAMPLES = (
    Sample("blink", 4, env=(("PERIOD_MS", "20"),)),
    Sample("sensor-average", 3, args=("1", "4", "3")),
    Sample("pid", 11),
    Sample("pid", 11, args=("45", "300")),
    Sample("matrix", 1, args=("16", "3")),
    Sample("checksum", 1, args=("123456789",)),
    Sample("counter", 5),
    Sample("grow", 1, args=("stop",)),
    Sample("grow", fault="MEMORY_LIMIT"),
    Sample("trap", fault="TRAP"),
    Sample("loop", fault="OUT_OF_FUEL"),
)
PAGES = 4


def missing() -> str | None:
    """Return why the comparison cannot run here; None if it can."""
    if reason := QemuTier.unavailable():
        return reason
    if not IMAGE.exists():
        return f"there is no image of {KIND}: `make firmware`"
    absent = sorted({sample.module for sample in SAMPLES if not (MODULES / f"{sample.module}.wasm").exists()})
    return f"not built: {', '.join(absent)}: `make apps`" if absent else None


pytestmark = [pytest.mark.system("QEMU"), pytest.mark.skipif(missing() is not None, reason=str(missing()))]


async def deeds(stack: Stack, sample: Sample, device: str) -> dict[str, Any]:
    """Return an application's publications on a device, and the code of its fault."""
    if sample.fault is not None:
        fault = await stack.history.until("RuntimeFault", about=sample.name, within=30, device=device)
        return {"publications": [], "fault": fault.data["code"]}
    publications: list[Any] = []
    latest = None
    while len(publications) < sample.publications:
        latest = await stack.history.until(
            "ApplicationStatus", about=sample.name, within=30, after=latest, device=device
        )
        publications += latest.data.get("publications", [])
    return {"publications": publications[: sample.publications], "fault": None}


async def heap_used(stack: Stack, device: str) -> int:
    """Return the used bytes of a board's heap, from its next heartbeat."""
    latest = stack.history.find("Heartbeat", about=device)[-1]
    beat = await stack.history.until("Heartbeat", about=device, after=latest, within=20)
    return int(beat.data["metrics"]["heap_used_bytes"])


@pytest.fixture(scope="module")
def results() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """The results of each sample on the virtual board and on the emulated one."""

    async def play() -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        found = {}
        async with asyncio.timeout(120), Stack(StackOptions(boards="qemu", heartbeat=1.0)) as stack:
            boards = [await stack.boards.power_on(kind) for kind in ("virtual", KIND)]
            devices = [(await stack.device(board).until(phase="Connected", within=20)).name for board in boards]
            heap: list[int] = []
            for sample in SAMPLES:
                application = await stack.deploy(
                    MODULES / f"{sample.module}.wasm",
                    to=boards,
                    name=sample.name,
                    args=sample.args,
                    env=dict(sample.env),
                    memory=PAGES << 16,
                    fuel=1_000_000,
                    time_limit=20_000,
                )
                virtual, emulated = [await deeds(stack, sample, device) for device in devices]
                found[sample.name] = (virtual, emulated)
                await application.delete()
                await application.until_gone(within=20)
                heap.append(await heap_used(stack, devices[1]))
            # After the first ones, when buffers have the size they need.
            found["heap"] = ({"used": heap[len(heap) // 2]}, {"used": heap[-1]})
            stack.judge()
        return found

    with new_runner() as runner:
        return runner.run(play())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_does_the_same_everywhere(results: dict[str, Any], sample: Sample) -> None:
    virtual, emulated = results[sample.name]
    assert virtual == emulated
    assert len(virtual["publications"]) == sample.publications
    assert virtual["fault"] == sample.fault


def test_the_samples_compute_what_they_should(results: dict[str, Any]) -> None:
    def published(name: str) -> list[str]:
        return [bytes.fromhex(item["payload"]).decode() for item in results[name][1]["publications"]]

    assert published("checksum-123456789") == ["cbf43926"]  # the check value of CRC-32/ISO-HDLC
    assert published("counter") == ["1", "2", "3", "4", "5"]
    assert published("blink") == ["on", "off", "on", "off"]
    assert published("pid")[-1] == "yes"
    assert published("grow-stop") == [str(PAGES - 1)]


def test_stopped_applications_leave_no_memory(results: dict[str, Any]) -> None:
    before, after = results["heap"]
    assert after["used"] <= before["used"] + 1024

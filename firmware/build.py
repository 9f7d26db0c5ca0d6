#!/usr/bin/env python3
"""Build the images of all boards, or of those that are named, into `firmware/images/`.

Needs Python 3.11 and no package. The same sources and the same compiler make the same bytes, wherever they lie:
`--twice` builds again elsewhere and compares.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tools.boards import Board, find_boards
from tools.images import Image, measure, table
from tools.toolchain import LINKER, Missing, find_toolchain, require

FIRMWARE = Path(__file__).resolve().parent
IMAGES = FIRMWARE / "images"


def build(boards: Iterable[Board], target_folder: Path, jobs: int | None = None) -> list[Image]:
    """Build the boards' images below ``target_folder``. Raises Missing or CalledProcessError."""
    boards = sorted(boards, key=lambda board: (board.target, board.profile, board.name))
    toolchain = find_toolchain(*sorted({board.target for board in boards}))
    linker = require(LINKER, "gcc-arm-none-eabi")
    print(f"building with {toolchain.description}", flush=True)
    layouts = target_folder / "layouts"
    for board in boards:
        script = layouts / board.name / "memory.x"
        script.parent.mkdir(parents=True, exist_ok=True)
        if not script.exists() or script.read_text("utf-8") != board.linker_script():
            script.write_text(board.linker_script(), "utf-8")
    images = []
    for (target, profile), members in groupby(boards, key=lambda board: (board.target, board.profile)):
        chosen = list(members)
        flags = [f"-Clinker={linker}", "-Clinker-flavor=ld", "-Clink-arg=--nmagic"]
        arguments = ["build", "--locked", "--release", "--package=wasmbed-boards", f"--features={profile}"]
        arguments += [f"--target={target}", f"--target-dir={target_folder}"]
        arguments += [f"--bin={board.name}" for board in chosen]
        arguments += [f"--jobs={jobs}"] if jobs else []
        toolchain.run(arguments, {target: flags}, FIRMWARE, WASMBED_LAYOUTS=str(layouts))
        images += [measure(board, target_folder / target / "release" / board.name) for board in chosen]
    return images


def publish(images: Iterable[Image], target_folder: Path) -> None:
    """Copy the images to where the harness looks for them."""
    IMAGES.mkdir(exist_ok=True)
    for image in images:
        built = target_folder / image.board.target / "release" / image.board.name
        shutil.copyfile(built, IMAGES / image.board.image)


def compare(first: Iterable[Image], again: Iterable[Image]) -> list[str]:
    """The images that differ between two builds."""
    hashes = {image.board.name: image.sha256 for image in again}
    return [
        f"{image.board.name}: built twice, {image.sha256[:16]} and {hashes[image.board.name][:16]}"
        for image in first
        if hashes[image.board.name] != image.sha256
    ]


def main() -> int:
    boards = find_boards()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("boards", nargs="*", metavar="BOARD", help=f"one of {', '.join(boards)}")
    parser.add_argument("--twice", action="store_true", help="build a second time elsewhere and compare")
    parser.add_argument("--jobs", type=int, metavar="N", help="compilers at once")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.boards if name not in boards]
    if unknown:
        parser.error(f"no board {', '.join(unknown)}: there are {', '.join(boards)}")
    chosen = [boards[name] for name in arguments.boards or boards]
    target_folder = FIRMWARE / "target"
    images = build(chosen, target_folder, arguments.jobs)
    publish(images, target_folder)
    print(table(images))
    complaints = [complaint for image in images for complaint in image.complaints()]
    if arguments.twice:
        with tempfile.TemporaryDirectory() as elsewhere:
            complaints += compare(images, build(chosen, Path(elsewhere), arguments.jobs))
        if not complaints:
            print("built twice: the same bytes")
    print("\n".join(complaints), file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Missing, ValueError) as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: cargo failed with {error.returncode}; its words are above")

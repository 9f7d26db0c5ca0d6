#!/usr/bin/env python3
"""Build the images of all boards, or of the named ones, into `firmware/images/`, and the library of native boards.

A board whose image cannot be built is left out. An image above its board's budget is built all the same. Both are
reported, and the exit code is then 1.

It needs Python 3.11 and no package. The same sources and the same compiler make the same bytes in every folder:
`--twice` builds again in another folder and compares.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tools.boards import Board, find_boards
from tools.images import Image, measure, table
from tools.native import NAME as NATIVE
from tools.native import build_library
from tools.toolchain import Failed, Missing, Toolchain, find_toolchain, linker_flags

FIRMWARE = Path(__file__).resolve().parent
IMAGES = FIRMWARE / "images"


class Progress:
    """Shows what is being built: on a terminal in one changing line, elsewhere not at all. ``verbose`` shows cargo's
    output instead."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose
        self._crates = 0

    def __call__(self, line: str) -> None:
        if self._verbose:
            print(line, file=sys.stderr, flush=True)
        elif line.lstrip().startswith("Compiling ") and sys.stderr.isatty():
            self._crates += 1
            print(f"\r\x1b[K  {self._crates} crates: {line.split()[1]}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._crates:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def build(
    boards: Iterable[Board], target_folder: Path, jobs: int | None = None, *, verbose: bool = False
) -> tuple[list[Image], dict[str, str]]:
    """Build the boards' images below ``target_folder``. Returns them, and the error of each other board by its name."""
    boards = sorted(boards, key=lambda board: (board.target, board.profile, board.name))
    layouts = target_folder / "layouts"
    for board in boards:
        script = layouts / board.name / "memory.x"
        script.parent.mkdir(parents=True, exist_ok=True)
        if not script.exists() or script.read_text("utf-8") != board.linker_script():
            script.write_text(board.linker_script(), "utf-8")
    images, failures = [], {}
    progress = Progress(verbose)
    for target, of_target in groupby(boards, key=lambda board: board.target):
        chosen = list(of_target)
        try:
            toolchain = find_toolchain(target)
            flags = {target: linker_flags(is_riscv=chosen[0].is_riscv)}
        except Missing as missing:
            failures |= dict.fromkeys((board.name for board in chosen), str(missing))
            continue
        print(f"building {len(chosen)} images for {target} with {toolchain.description}", flush=True)
        for profile, members in groupby(chosen, key=lambda board: board.profile):
            arguments = ["build", "--locked", "--release", "--package=wasmbed-boards", f"--features={profile}"]
            arguments += [f"--target={target}", f"--target-dir={target_folder}"]
            arguments += [f"--jobs={jobs}"] if jobs else []
            for board, failure in _compile(toolchain, arguments, flags, list(members), layouts, progress):
                if failure is None:
                    images.append(measure(board, target_folder / target / "release" / board.name))
                else:
                    failures[board.name] = failure
    progress.end()
    return images, failures


def _compile(
    toolchain: Toolchain,
    arguments: list[str],
    flags: dict[str, list[str]],
    boards: list[Board],
    layouts: Path,
    on_line: Callable[[str], object],
) -> list[tuple[Board, str | None]]:
    """Compile all boards at once, and if that fails one by one. Returns each board with its error, or None."""
    try:
        bins = [f"--bin={board.name}" for board in boards]
        toolchain.run([*arguments, *bins], flags, FIRMWARE, on_line, WASMBED_LAYOUTS=str(layouts))
    except Failed as failed:
        if len(boards) == 1:
            return [(boards[0], str(failed))]
        return [
            result for board in boards for result in _compile(toolchain, arguments, flags, [board], layouts, on_line)
        ]
    return [(board, None) for board in boards]


def publish(images: Iterable[Image], target_folder: Path) -> None:
    """Copy the images to the folder that the harness reads."""
    IMAGES.mkdir(exist_ok=True)
    for image in images:
        built = target_folder / image.board.target / "release" / image.board.name
        shutil.copyfile(built, IMAGES / image.board.image)


def compare(first: Iterable[Image], again: Iterable[Image]) -> list[str]:
    """Return a complaint for each image that differs between two builds."""
    hashes = {image.board.name: image.sha256 for image in again}
    return [
        f"{image.board.name}: built twice, {image.sha256[:16]} and {hashes[image.board.name][:16]}"
        for image in first
        if hashes[image.board.name] != image.sha256
    ]


def _native(target_folder: Path, jobs: int | None, *, verbose: bool) -> list[str]:
    """Build the library of native boards; returns a complaint if that fails."""
    progress = Progress(verbose)
    try:
        build_library(FIRMWARE, IMAGES, target_folder, jobs, progress)
    except (Missing, Failed) as failure:
        return [f"{failure}\nleft out: the library of native boards; the reason is above"]
    finally:
        progress.end()
    return []


def main() -> int:
    boards = find_boards()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("boards", nargs="*", metavar="BOARD", help=f"one of {', '.join([*boards, NATIVE])}")
    parser.add_argument("--twice", action="store_true", help="build a second time elsewhere and compare")
    parser.add_argument("-v", "--verbose", action="store_true", help="show cargo's output")
    parser.add_argument("--jobs", type=int, metavar="N", help="the number of compilers at a time")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.boards if name not in boards and name != NATIVE]
    if unknown:
        parser.error(f"no board {', '.join(unknown)}: there are {', '.join([*boards, NATIVE])}")
    chosen = [boards[name] for name in arguments.boards or boards if name != NATIVE]
    target_folder = FIRMWARE / "target"
    images, failures = build(chosen, target_folder, arguments.jobs, verbose=arguments.verbose)
    publish(images, target_folder)
    for name in failures:
        # An image of older sources would be misleading.
        (IMAGES / boards[name].image).unlink(missing_ok=True)
    if images:
        print(table(images))
    complaints = [complaint for image in images for complaint in image.complaints()]
    if not arguments.boards or NATIVE in arguments.boards:
        complaints += _native(target_folder, arguments.jobs, verbose=arguments.verbose)
    if arguments.twice and images:
        built = [image.board for image in images]
        with tempfile.TemporaryDirectory() as elsewhere:
            again, _ = build(built, Path(elsewhere), arguments.jobs, verbose=arguments.verbose)
            complaints += compare(images, again)
        if not complaints:
            print("built twice: the same bytes")
    for error in dict.fromkeys(failures.values()):
        names = [name for name, failure in failures.items() if failure == error]
        new = "no bin target named" in error
        do = "\n  -> a new board needs its src/bin: see docs/how-to/add-a-board.md" if new else ""
        complaints.append(f"{error}\nleft out: {', '.join(names)}; the reason is above{do}")
    if complaints:
        print("\n".join(complaints), file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)

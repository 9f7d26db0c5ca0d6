"""One run's folder from those of its shards, each of which has run some of the tests."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from harness.core.errors import UsageError, reason
from harness.reporting.runs import VERDICTS, TestRecord, iterate_run

__all__ = ["merge_runs"]


def merge_runs(shards: Sequence[Path], folder: Path) -> list[TestRecord]:
    """Copy the tests of ``shards``, folders of runs, into the new ``folder``; returns them without their histories.

    Raises UsageError for a folder without a run, a test that two shards have, or a ``folder`` that exists or cannot be
    written; the folder is not made then, or holds what was copied.
    """
    found: dict[str, Path] = {}
    for shard in shards:
        for test in iterate_run(shard, histories=False):
            if test.name in found:
                raise UsageError(
                    f"{test.name} is also in {found[test.name]}",
                    where=str(shard),
                    do="name each shard of one run once, all of one --shard=.../NUMBER",
                )
            found[test.name] = shard
    try:
        folder.mkdir(parents=True)
        for shard in shards:
            _copy(shard, folder)
    except OSError as error:
        raise UsageError(
            f"cannot be written: {reason(error)}", where=str(error.filename or folder), do="name a new folder: --into"
        ) from error
    return list(iterate_run(folder, histories=False))


def _copy(shard: Path, folder: Path) -> None:
    for entry in sorted(shard.iterdir()):
        if entry.is_dir():
            shutil.copytree(entry, folder / entry.name)
        elif entry.name == VERDICTS:
            with (folder / VERDICTS).open("ab") as file:
                file.write(entry.read_bytes())

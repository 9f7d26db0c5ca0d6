"""The results of a shard: its archive, unpacked without trust."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

from harness.core.errors import RigError, reason
from harness.shards.in_pod import EXIT_CODE

__all__ = ["LARGEST", "unpack"]

LARGEST = 2 << 30
"""Bytes that an archive may hold, and that it may have: as many as the pod's volume."""


def unpack(archive: Path, folder: Path) -> int:
    """Unpack an archive into the new ``folder``; returns the exit code of its pytest. Raises RigError for one that is
    damaged or too large, and where it cannot be written."""
    folder.mkdir()
    size = 0
    try:
        with tarfile.open(archive, "r|gz") as members:
            for member in members:
                size += tarfile.BLOCKSIZE + member.size  # a file without content is not for free
                if size > LARGEST:
                    raise RigError(f"more than {LARGEST >> 30} GiB of results", do="run more shards")
                members.extract(member, folder, filter="data")  # nothing outside of the folder, no devices
        return int((folder / EXIT_CODE).read_text())
    except (tarfile.TarError, zlib.error, EOFError, ValueError, FileNotFoundError) as error:
        raise RigError(f"the results are damaged: {reason(error)}", do="is the image of this version?") from error
    except OSError as error:
        do = "free disk space, or name another folder: --into"
        raise RigError(f"the results cannot be written: {reason(error)}", where=str(folder), do=do) from error

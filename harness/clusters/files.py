"""How a cluster's files are written: kubeconfigs, which hold credentials, and snapshots."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, readable by its owner only; its folder must be there. Raises OSError.

    The draft beside it is a new file with a name that nobody can guess (``O_EXCL``, ``O_NOFOLLOW``): in a folder where
    others may write, none can be put there before for the content to go into.
    """
    descriptor, draft = tempfile.mkstemp(prefix=".wasmbed-", dir=path.parent)  # for its owner only: mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise

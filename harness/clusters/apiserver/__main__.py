"""``python -m harness.clusters.apiserver``: build the program, as ``make apiserver`` does."""

from __future__ import annotations

import sys

from harness.clusters.apiserver.program import build, program, version
from harness.core.errors import RigError


def main() -> int:
    """Returns the exit code: 3 where it could not be built."""
    if not program().is_file():
        print(f"building kube-apiserver {version()}: once, about 6 minutes of processor time", flush=True)
    try:
        path, _ = build()
    except RigError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"kube-apiserver {version()}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

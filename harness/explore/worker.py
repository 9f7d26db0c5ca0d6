"""``python -m harness.explore.worker``: runs cases for an exploration in another process.

Jobs come as lines of JSON on standard input, and each is answered by a line on standard output: ``run`` gives the
outcome of a case, ``shrink`` the smallest case that fails alike. It ends with its input.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import orjson

from harness.explore.case import Case, Failure, run
from harness.explore.shrink import shrunk

__all__ = ["answer", "main"]


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent ends this one
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # text that a library prints must not be among the answers
        for line in sys.stdin.buffer:
            answers.write(orjson.dumps(answer(orjson.loads(line))) + b"\n")
            answers.flush()


def answer(job: dict[str, Any]) -> dict[str, Any]:
    """The answer to one job."""
    case = Case.from_json(job["case"])
    if job["job"] == "run":
        return run(case).to_json()
    failure = Failure(job["rule"], job["party"])
    return shrunk(case, lambda candidate: run(candidate).failure == failure).to_json()


if __name__ == "__main__":
    main()

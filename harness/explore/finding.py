"""Writes a finding: its schedule, and a test file that fails for the same reason; run in another process, the test
leaves history and report beside it.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

from harness.core.errors import RigError, reason
from harness.explore.case import Case, Failure, without_names

__all__ = ["reproduced", "test_file", "write"]

_TEST = '''"""Found by `wasmbed explore`: {cause}

{words}
"""

import pytest

{imports}from harness.explore.workload import live
from harness.faults.reading import parse_schedule
from harness.stack import Stack

SCHEDULE = """
{schedule}"""


@pytest.mark.stack({options})
async def test_{name}(stack: Stack) -> None:
    stack.apply(parse_schedule(SCHEDULE, ""))
    await live(stack, {life})
'''


def test_file(case: Case, failure: Failure) -> str:
    """The text of a test that runs a case."""
    options = case.options
    given = {name: getattr(options, name) for name in ("boards", "seed", "schedule_order", "heartbeat", "relay")}
    if not options.relay:
        del given["relay"]
    acts = f"({', '.join(map(repr, case.acts))},)" if case.acts else "()"
    words = failure.words.replace("\\", "\\\\").replace('"""', "'''")
    return _TEST.format(
        cause=failure.rule.replace("\\", "\\\\").replace('"""', "'''"),
        words="\n".join(line[:110] for line in words.strip().splitlines()[:20]),
        schedule=case.schedule.to_toml().replace("\\", "\\\\"),
        options=", ".join(
            f"{name}={value!r}".replace("'", '"') for name, value in {**given, "deadline": options.deadline}.items()
        ),
        name=_name(failure),
        imports="from harness.explore.acts import Act\n" if case.acts else "",
        life=f"boards={case.boards}, seconds={case.seconds:g}, acts={acts}, managers={case.managers}".replace("'", '"'),
    )


def write(folder: Path, case: Case, failure: Failure) -> Path:
    """Write test and schedule of a finding into a folder of its own below ``folder``; returns the test's path.

    Raises RigError if that is impossible.
    """
    text = case.schedule.to_toml()
    digest = hashlib.sha256(f"{failure.rule} {failure.party} {text}".encode()).hexdigest()[:6]
    place = folder / f"{_name(failure)}-{digest}"
    path = place / f"test_{_name(failure)}.py"
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / "schedule.toml").write_text(text, encoding="utf-8")
        path.write_text(test_file(case, failure), encoding="utf-8")
    except OSError as error:
        raise RigError(f"cannot be written: {reason(error)}", where=str(place), do="name another --output") from error
    return path


def reproduced(path: Path, failure: Failure) -> bool:
    """Run a finding's test with pytest in another process: whether it fails for the same reason. Its history and its
    report are in ``reports`` beside it afterwards."""
    reports = path.parent / "reports"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path), f"--reports={reports}"]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    documents = sorted(reports.glob("*/junit.xml"))
    if not documents:
        return False
    cases = [
        case for case in ET.parse(documents[-1]).iter("testcase") if {each.tag for each in case} & {"failure", "error"}
    ]
    said = "\n".join(
        text for case in cases for each in case.iter() for text in (each.get("message"), each.text) if text
    )
    return failure.rule in without_names(said)


def _name(failure: Failure) -> str:
    return re.sub(r"[^a-z0-9]+", "_", failure.rule.lower()).strip("_")[:50].rstrip("_") or "finding"

"""A wheel has every file that the harness needs outside its repository."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LOOK = """
from pathlib import Path
import harness, sys
assert Path(harness.__file__).is_relative_to(sys.argv[1]), harness.__file__
from harness.boards.platform import find_platforms
from harness.core.data_files import data_folder
from harness.sequences import catalogue
from harness.stack.modules import Modules
from harness.wasmbed.compile.compiler import GUEST
from harness.wasmbed.compile.templates import TEMPLATES
from harness.wasmbed.resources.kinds import load_crds
print(len(load_crds()), *sorted(find_platforms("qemu-system-arm")))
print(*(flow.name for flow in catalogue().flows))
print(len(Modules(Path("nowhere"))("hello")))
print(all(each.source(language).text for each in TEMPLATES.values() for language in each.languages))
crate = data_folder("firmware/apps/src/lib.rs")
print(*(path.is_file() for path in (GUEST / "wasmbed.h", GUEST / "wasmbed.ts", crate)))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "setup.py", "-q", "egg_info", f"--egg-base={folder}"]
    command += ["build", f"--build-base={folder}/build", f"--build-lib={folder}/lib"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "lib"


def test_the_dashboard_comes_along(installed: Path) -> None:
    page = Path("harness", "wasmbed", "api", "dashboard_page")
    there = {path.name for path in (ROOT / page).rglob("*.*")}
    assert "index.html" in there
    assert {path.name for path in (installed / page).rglob("*.*")} == there


def test_boards_sequences_and_modules_come_along(installed: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOOK, str(installed)]
    environment = {"PYTHONPATH": str(installed), "PATH": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    boards, flows, hello, templates, interfaces = done.stdout.splitlines()
    assert boards.startswith("3 ")
    assert "mps2-an385" in boards
    assert {path.stem for path in (ROOT / "scenarios" / "sequences").glob("*.mmd")} == set(flows.split())
    assert int(hello) > 100
    assert (templates, interfaces) == ("True", "True True True")

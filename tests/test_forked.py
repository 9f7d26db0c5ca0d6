"""Programs in copied processes begin and end as those of a new interpreter do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked import forking_commands, run_python, start_python

SAYS = "import os, sys; print(sys.argv[1:], os.getcwd(), os.environ['WHO'], repr(sys.stdin.read())); sys.exit(7)"


@pytest.mark.parametrize("copied", [True, False], ids=["copied", "new"])
def test_a_command_has_the_callers_arguments_folder_environment_and_streams(tmp_path: Path, copied: bool) -> None:
    python = forking_commands() / "python" if copied else sys.executable
    environment = {**os.environ, "WHO": "caller"}
    command = [str(python), "-c", SAYS, "a b", "ü"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, input="given", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout == f"['a b', 'ü'] {tmp_path} caller 'given'\n"


def test_output_and_errors_are_told_apart(tmp_path: Path) -> None:
    done = run_python("-c", "import sys; print(1); print(2, file=sys.stderr); 1 / 0", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr[:2]) == (1, "1\n", "2\n")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_a_signal_ends_a_program(number: signal.Signals, code: int) -> None:
    waits = "import signal, sys\ntry: print(1, flush=True); signal.pause()\nexcept KeyboardInterrupt: sys.exit(130)"
    with start_python("-c", waits) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        process.send_signal(number)
        assert process.wait(60) == code


def test_a_program_leads_a_process_group_if_it_is_to() -> None:
    for leads in (True, False):
        with start_python("-c", "import signal; signal.pause()", leads=leads) as process:
            assert (os.getpgid(process.pid) == process.pid) is leads
            process.kill()


def test_a_safe_path_has_neither_folder_nor_program(tmp_path: Path) -> None:
    """As in a new interpreter: ``-P`` is an option of Python's, ``-u`` after the program is the program's."""
    (tmp_path / "mine.py").write_text("import sys; print(sys.argv[1:])")
    done = run_python("-m", "mine", "-u", "-P", folder=tmp_path)
    assert done.stdout == "['-u', '-P']\n"
    assert "No module named mine" in run_python("-P", "-m", "mine", folder=tmp_path).stderr


def test_a_command_that_is_killed_ends_its_copy() -> None:
    command = [str(forking_commands() / "python"), "-c", "import signal; print(1, flush=True); signal.pause()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        process.kill()
        assert process.stdout.read() == b"", "the copy has the other end too"

"""``wasmbed gateway`` as a program, and ``wasmbed up`` on a gateway that is one."""

import os
import signal
from pathlib import Path

import pytest

from harness.cli.main import run
from tests.cli.command import Command
from tests.processes import command, descendants


class Platform(Command):
    """``wasmbed up`` on a gateway of that kind."""

    def __init__(self, folder: Path, gateway: str) -> None:
        self.kubeconfig = folder / "kubeconfig"
        places = ("--port=0", "--http-port=0", f"--kubeconfig={self.kubeconfig}")
        super().__init__("up", f"--gateway={gateway}", *places)

    def gateway(self) -> int:
        """The process id of the gateway."""
        programs = [pid for pid in descendants(self.process.pid) if "harness.cli gateway" in command(pid)]
        (found,) = [pid for pid in programs if not command(pid).startswith("/bin/sh")]
        return found


def test_up_runs_on_a_gateway_that_is_a_program(tmp_path: Path) -> None:
    """Boards connect through the relay; a graceful end leaves no process."""
    platform = Platform(tmp_path, "process")
    platform.until("1 Connected")
    gateway = platform.gateway()
    assert platform.end(signal.SIGTERM) == 0
    assert command(gateway) == ""


def test_up_ends_with_its_gateway(tmp_path: Path) -> None:
    """A gateway that is killed is the product's failure, with its name and how it ended."""
    platform = Platform(tmp_path, "process")
    platform.until("running")
    os.kill(platform.gateway(), signal.SIGKILL)
    assert platform.end() == 1
    assert "gateway gateway-1: ended by itself: killed by SIGKILL" in platform.said
    assert not platform.kubeconfig.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "sessions=many"], "error: --set: invalid sessions 'many'"),
        (["--set", "sessions"], "error: --set: 'sessions' has no value"),
        (["--listen", "8081"], "error: --listen: invalid listen '8081': must be host:port"),
        (["--settings", "absent.toml"], "error: absent.toml: cannot be read: No such file or directory"),
        (["--key", "second.der"], "error: --certificate, --key: 1 certificates and 2 keys"),
        ([], "error: key.der: cannot be read: No such file or directory"),
    ],
)
def test_a_gateway_says_what_is_wrong(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    needed = ["--certificate", "cert.der", "--key", "key.der", "--device-authority", "ca.der"]
    assert run(["gateway", *needed, *arguments]) == 2
    assert capsys.readouterr().err.startswith(message)

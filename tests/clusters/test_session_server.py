"""A server of a session: shared by its processes, and gone when the last of them is, whatever ended it.

The server here is a short script that keeps to the same rules as the real ones.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.clusters import session
from harness.core.errors import RigError

SERVER = """
import os, shutil, sys
folder = sys.argv[-1]
users = os.open(folder + "/users", os.O_RDONLY)
open(folder + "/kubeconfig", "w").close()
open(folder + "/pid", "w").write(str(os.getpid()))
print("the log", file=sys.stderr, flush=True)
print("ready", flush=True)
os.close(1)
while os.read(users, 64):
    pass
shutil.rmtree(folder)
"""
USER = """
import sys
from harness.clusters.session import join
print(join("test", sys.argv[1:]).kubeconfig, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where servers have their folders; the session is this test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(session, "_joined", {})
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv(session.SESSION[0], "one-session")
    yield tmp_path
    for server in session._joined.values():
        server.leave()


def command(script=SERVER):
    return [sys.executable, "-c", script]


class User:
    """Another process of the session."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, *command()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def joined(self):
        return Path(self.process.stdout.readline().strip())

    def kill(self):
        self.process.kill()
        self.process.communicate()


def until_gone(pid):
    """Wait for the end of a process that is not a child of ours."""
    descriptor = os.pidfd_open(pid)
    try:
        assert session.select.select([descriptor], [], [], 30)[0], "it still runs"
    finally:
        os.close(descriptor)


def test_one_server_for_all_processes_and_gone_with_the_last_even_if_it_was_killed(place):
    users = [User() for _ in range(3)]
    places = [user.joined() for user in users]
    assert len(set(places)) == 1
    folder = places[0].parent
    assert folder.stat().st_mode & 0o077 == 0
    pid = int((folder / "pid").read_text())
    users[0].kill()
    users[1].kill()
    assert session.is_running(folder)
    assert session.sweep() == []
    users[2].kill()
    until_gone(pid)
    assert list(place.rglob("*")) == [], (folder / "log").read_text()


def test_a_process_joins_once(place):
    server = session.join("test", command())
    assert session.join("test", ["/not/used"]) is server
    assert server.is_running()
    assert server.last_lines() == "\n    the log"


def test_a_server_that_was_killed_is_noticed_swept_and_replaced(place):
    server = session.join("test", command())
    pid = int((server.kubeconfig.parent / "pid").read_text())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert not server.is_running()
    assert not session.is_running(server.kubeconfig.parent)
    again = session.join("test", command())
    assert again is not server
    assert again.is_running()


def test_what_killed_servers_of_other_sessions_left_is_swept(place, monkeypatch):
    left = session.join("test", command()).kubeconfig.parent
    pid = int((left / "pid").read_text())
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    (place / "wasmbed-server-of-somebody-else").mkdir()
    monkeypatch.setenv(session.SESSION[0], "another-session")
    session.join("test", command())
    assert not left.exists()
    assert (place / "wasmbed-server-of-somebody-else").exists()


def test_a_server_that_does_not_start_shows_the_end_of_its_log(place):
    with pytest.raises(RigError, match="ended at once; the end of its log:\n    no memory"):
        session.join("test", command("import sys; sys.exit('no memory')"))
    with pytest.raises(RigError, match="cannot be started: No such file"):
        session.join("test", [str(place / "nothing")])


def test_a_server_that_is_never_ready_is_given_up(place, monkeypatch):
    monkeypatch.setattr(session, "READY_WITHIN", 0.2)
    with pytest.raises(RigError, match=r"was not ready within 0\.2 s"):
        session.join("test", command("import signal; signal.pause()"))


def test_a_folder_that_is_not_ours_is_not_used(place, monkeypatch):
    monkeypatch.setattr(session, "_is_ours", lambda folder: False)
    with pytest.raises(RigError, match="the folder belongs to another user"):
        session.join("test", command())


def test_a_server_that_nobody_else_uses_is_killed_and_started_again(place):
    """In its folder, which no other session sweeps meanwhile; with the last user it is gone."""
    server = session.start_alone("test", command())
    folder = server.kubeconfig.parent
    (folder / "data").touch()
    first = int((folder / "pid").read_text())
    server.kill()
    assert not server.is_running()
    assert session.sweep() == []
    assert (folder / "data").exists()
    server.restart()
    second = int((folder / "pid").read_text())
    assert second != first
    assert server.is_running()
    assert session.start_alone("test", command()).kubeconfig != server.kubeconfig
    assert (folder / "data").exists()
    server.leave()
    until_gone(second)
    assert not folder.exists()


def test_a_server_that_stays_killed_goes_with_its_user(place):
    server = session.start_alone("test", command())
    server.kill()
    server.leave()
    assert list(place.iterdir()) == []


def test_a_server_that_does_not_start_again_says_why(place):
    server = session.start_alone("test", command())
    server.kill()
    server._command = command("import sys; sys.exit('the port is taken')")
    with pytest.raises(RigError, match="ended at once; the end of its log:\n    the log\n    the port is taken"):
        server.restart()


def test_a_server_is_started_by_a_process_with_many_descriptors(place):
    """Boards are in the same process; select takes none above 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(2048, hard)), hard))
    with ExitStack() as many:
        for _ in range(1100):
            many.enter_context(open(os.devnull))
        session.start_alone("test", command()).leave()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

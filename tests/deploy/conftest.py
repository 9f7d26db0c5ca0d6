"""Fixtures of an installation: the tools that make manifests, and an API server on which they are applied.

``deploy`` is not a part of the package that is installed: it is found beside it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.cli.main import run
from harness.clusters.apiserver import ApiserverCluster
from harness.core.identifiers import Randomness
from tests.deploy.installation import Installation
from tests.deploy.server import AuditedServer, build

HOSTS = ("localhost", "127.0.0.1", "wasmbed-devices.wasmbed.svc", "*.gateways.example")
"""The names of gateways that boards of the tests know."""
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
sys.path.insert(0, str(DEPLOY.parent))


@pytest.fixture
def tool() -> Callable[[str], Path]:
    """Finds a tool, or skips the test with how to get it."""
    from deploy.tools import find, missing

    def found(name: str) -> Path:
        if (why := missing(name)) is not None:
            pytest.skip(why)
        return find(name)

    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedServer]:
    """A server for the tests of one file."""
    if (why := ApiserverCluster.unavailable()) is not None:
        pytest.skip(why)
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_XDIST_TESTRUNUID", f"deploy-{os.getpid()}-{Randomness().token(4)}")
        patch.setattr("harness.clusters.session._joined", {})
        started = AuditedServer(tmp_path_factory.mktemp("server"))
        yield started
        started.leave()


@pytest.fixture
def installation(
    server: AuditedServer, tool: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Installation]:
    objects = build(tool("kustomize"), DEPLOY / "kustomize" / "overlays" / "local")
    found = Installation(server, objects, tmp_path)
    assert run(["secrets", str(tmp_path / "authorities"), *(f"--host={host}" for host in HOSTS)]) == 0
    found.add_secrets(capsys.readouterr().out)
    yield found
    found.kill()

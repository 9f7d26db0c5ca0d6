"""The kubeconfig of a platform at the end of the platform."""

import asyncio
from pathlib import Path

import pytest

from harness.cli.kubeconfig import Kubeconfig
from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness


def written(path: Path) -> Kubeconfig:
    """The kubeconfig of a running platform."""

    async def write() -> Kubeconfig:
        cluster, kubeconfig = EmbeddedCluster(SystemClock(), Randomness()), Kubeconfig(path)
        await cluster.start()
        try:
            await kubeconfig.write(cluster)
        finally:
            await cluster.stop()
        return kubeconfig

    return asyncio.run(write())


def test_the_kubeconfig_is_removed_with_the_platform(tmp_path: Path) -> None:
    written(tmp_path / "kubeconfig").remove()
    assert not (tmp_path / "kubeconfig").exists()


def test_a_kubeconfig_that_was_removed_is_not_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kubeconfig = written(tmp_path / "kubeconfig")
    kubeconfig.path.unlink()
    kubeconfig.remove()
    assert capsys.readouterr().err == ""


def test_a_kubeconfig_that_was_replaced_stays(tmp_path: Path) -> None:
    kubeconfig = written(tmp_path / "kubeconfig")
    kubeconfig.path.write_text("of another platform")
    kubeconfig.remove()
    assert kubeconfig.path.read_text() == "of another platform"

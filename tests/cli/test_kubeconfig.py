"""The kubeconfig of a running platform, at its end."""

import asyncio
from pathlib import Path

import pytest

from harness.cli.kubeconfig import Kubeconfig
from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness


def written(path: Path) -> Kubeconfig:
    """A kubeconfig as a platform leaves it while it runs."""

    async def write() -> Kubeconfig:
        cluster, kubeconfig = EmbeddedCluster(SystemClock(), Randomness()), Kubeconfig(path)
        await cluster.start()
        try:
            await kubeconfig.write(cluster)
        finally:
            await cluster.stop()
        return kubeconfig

    return asyncio.run(write())


def test_it_goes_with_the_platform(tmp_path: Path) -> None:
    written(tmp_path / "kubeconfig").remove()
    assert not (tmp_path / "kubeconfig").exists()


def test_one_that_is_gone_already_is_no_trouble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kubeconfig = written(tmp_path / "kubeconfig")
    kubeconfig.path.unlink()
    kubeconfig.remove()
    assert capsys.readouterr().err == ""


def test_one_that_is_somebody_elses_by_now_stays(tmp_path: Path) -> None:
    kubeconfig = written(tmp_path / "kubeconfig")
    kubeconfig.path.write_text("of another platform")
    kubeconfig.remove()
    assert kubeconfig.path.read_text() == "of another platform"

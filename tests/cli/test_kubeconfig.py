"""The kubeconfig of a platform at the end of the platform."""

from pathlib import Path

import pytest

from harness.cli.kubeconfig import Kubeconfig
from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness


@pytest.fixture
async def kubeconfig(tmp_path: Path) -> Kubeconfig:
    """The kubeconfig of a running platform."""
    cluster, kubeconfig = EmbeddedCluster(SystemClock(), Randomness()), Kubeconfig(tmp_path / "kubeconfig")
    await cluster.start()
    try:
        await kubeconfig.write(cluster)
    finally:
        await cluster.stop()
    return kubeconfig


def test_the_kubeconfig_is_removed_with_the_platform(kubeconfig: Kubeconfig) -> None:
    assert kubeconfig.path.exists()
    kubeconfig.remove()
    assert not kubeconfig.path.exists()


def test_a_kubeconfig_that_was_removed_is_not_an_error(
    kubeconfig: Kubeconfig, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig.path.unlink()
    kubeconfig.remove()
    assert capsys.readouterr().err == ""


def test_a_kubeconfig_that_was_replaced_stays(kubeconfig: Kubeconfig) -> None:
    kubeconfig.path.write_text("of another platform")
    kubeconfig.remove()
    assert kubeconfig.path.read_text() == "of another platform"

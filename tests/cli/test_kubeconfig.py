"""The kubeconfig of a running platform, at its end."""

import asyncio
from pathlib import Path

import pytest

from harness.cli.kubeconfig import Kubeconfig
from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness


def at_the_end(path: Path, meanwhile: str | None) -> None:
    """Write a kubeconfig, let somebody leave ``meanwhile`` in its place, or nothing, and take it away."""

    async def main() -> None:
        cluster = EmbeddedCluster(SystemClock(), Randomness())
        await cluster.start()
        try:
            kubeconfig = Kubeconfig(path)
            await kubeconfig.write(cluster)
            path.unlink()
            if meanwhile is not None:
                path.write_text(meanwhile)
            kubeconfig.remove()
        finally:
            await cluster.stop()

    asyncio.run(main())


def test_one_that_is_gone_already_is_no_trouble(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at_the_end(tmp_path / "kubeconfig", None)
    assert capsys.readouterr().err == ""


def test_one_that_is_somebody_elses_by_now_stays(tmp_path: Path) -> None:
    at_the_end(tmp_path / "kubeconfig", "of another platform")
    assert (tmp_path / "kubeconfig").read_text() == "of another platform"

"""``wasmbed platform`` on a cluster, with a real API server and kubectl. No node is there: a program never runs."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.clusters.apiserver import ApiserverCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness

pytestmark = pytest.mark.system("kube-apiserver")

PROGRAM = """
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: PROGRAM, namespace: NAMESPACE, labels: {app.kubernetes.io/part-of: wasmbed}}
spec:
  replicas: 2
  selector: {matchLabels: {app: PROGRAM}}
  template:
    metadata: {labels: {app: PROGRAM}}
    spec: {containers: [{name: program, image: "wasmbed/platform:0.1.0"}]}
"""


@dataclass(frozen=True)
class Site:
    folder: Path
    namespace: str

    async def run(self, *command: str) -> tuple[int, str]:
        program = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await program.communicate()
        assert program.returncode is not None
        return program.returncode, output.decode()

    async def platform(self, *arguments: str) -> tuple[int, str]:
        return await self.run(sys.executable, "-m", "harness.cli", "platform", *arguments)

    async def seen(self, field: str) -> list[str]:
        """A field of each Deployment, as kubectl shows it."""
        form = f"jsonpath={{.items[*]{field}}}"
        code, output = await self.run(
            "kubectl", "--kubeconfig=kubeconfig", "get", "deployments", f"-n{self.namespace}", f"-o{form}"
        )
        assert code == 0, output
        return output.split()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    if (why := ApiserverCluster.unavailable()) is not None:
        pytest.skip(why)
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    namespace = f"platform-{Randomness().token(4)}"
    cluster = ApiserverCluster(SystemClock(), Randomness(), namespace)
    await cluster.start()
    try:
        await cluster.write_kubeconfig(tmp_path / "kubeconfig")
        programs = "".join(PROGRAM.replace("PROGRAM", name) for name in ("wasmbed-api", "wasmbed-gateway"))
        (tmp_path / "platform.yaml").write_text(programs.replace("NAMESPACE", namespace))
        (tmp_path / "wasmbed.toml").write_text(
            f'[platform]\nnamespace = "{namespace}"\n'
            '[cluster]\nkubeconfig = "kubeconfig"\nmanifests = "platform.yaml"\n'
        )
        yield Site(tmp_path, namespace)
    finally:
        await cluster.stop()


async def test_a_platform_in_a_cluster_is_deployed_restarted_stopped_and_removed(site: Site) -> None:
    code, said = await site.platform("deploy", "--wait", "0")
    assert code == 0, said
    assert "wasmbed-gateway created" in said
    assert await site.seen(".spec.replicas") == ["2", "2"]
    code, said = await site.platform("status")
    assert code == 0
    assert "wasmbed-api" in said
    assert await site.platform("restart", "wasmbed-api") == (0, "deployment.apps/wasmbed-api restarted\n")
    assert len(await site.seen(".spec.template.metadata.annotations.kubectl\\.kubernetes\\.io/restartedAt")) == 1
    code, said = await site.platform("restart", "api")
    assert code == 2
    assert "the programs are wasmbed-api, wasmbed-gateway" in said
    assert (await site.platform("stop"))[0] == 0
    assert await site.seen(".spec.replicas") == ["0", "0"]
    assert (await site.platform("clean", "--yes"))[0] == 0
    assert await site.seen(".metadata.name") == []


async def test_a_program_that_does_not_run_in_time_is_named(site: Site) -> None:
    code, said = await site.platform("deploy", "--wait", "1")
    assert code == 3
    assert "kubectl rollout failed" in said


async def test_manifests_that_are_not_there_are_told(site: Site) -> None:
    code, said = await site.platform("status", "--set", "cluster.manifests=/nowhere")
    assert code == 2
    assert "there are no such manifests" in said

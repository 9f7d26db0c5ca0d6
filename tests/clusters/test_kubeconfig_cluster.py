"""The cluster kind for an existing cluster, tried on the embedded one behind its socket."""

from __future__ import annotations

import asyncio

import pytest
import yaml

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.existing import KubeconfigCluster
from harness.clusters.existing import cluster as existing
from harness.clusters.existing.definitions import install
from harness.core.clock import ManualClock, SystemClock
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.testing.cluster import CLUSTER_CHECKS, check_cluster
from harness.wasmbed.resources.api import NotFound, Resource
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import DEVICE, GATEWAY, NAMESPACE
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.manifests import device
from tests.clusters.conftest import definition

SERVICE_ACCOUNT = Resource("", "v1", "serviceaccounts", "ServiceAccount")


@pytest.fixture
async def embedded(settings):
    """The cluster behind the kubeconfig."""
    embedded = EmbeddedCluster(SystemClock(), Randomness(), **settings)
    await embedded.start()
    yield embedded
    await embedded.stop()


@pytest.fixture
async def path(embedded, tmp_path):
    """The kubeconfig file."""
    path = tmp_path / "config"
    await embedded.write_kubeconfig(path)
    yield path
    path.unlink()  # the namespaces end with the server: the session need not look for them


async def test_it_passes_the_conformance_kit(embedded, path):
    outcomes = {}
    await check_cluster(lambda *given: KubeconfigCluster(*given, kubeconfig=path), progress=outcomes.__setitem__)
    assert outcomes == dict.fromkeys(CLUSTER_CHECKS, "passed")
    names = [item["metadata"]["name"] for item in (await embedded.client("Test").list(NAMESPACE)).items]
    assert not [name for name in names if name.startswith("check-")]


@pytest.mark.settings(namespace="other")
async def test_a_namespace_that_was_there_stays(embedded, path):
    cluster = KubeconfigCluster(SystemClock(), Randomness(), "mine", kubeconfig=path)
    await embedded.client("Test").create(NAMESPACE, {"metadata": {"name": "mine"}})
    await cluster.start()
    first, second = (cluster.client("User") for _ in range(2))
    await asyncio.gather(*(first.list(DEVICE) for _ in range(5)))
    made = await first.create(DEVICE, device("d1", public_key=b"k", device_type="virtual"))
    assert await second.get(DEVICE, "d1") == made
    await cluster.stop()
    await cluster.stop()
    assert await embedded.client("Test").get(NAMESPACE, "mine")


async def test_a_cluster_that_is_gone_is_left_alone(embedded, path):
    cluster = KubeconfigCluster(SystemClock(), Randomness(), "mine", kubeconfig=path)
    await cluster.start()
    await embedded.client("Test").delete(NAMESPACE, "mine")
    await cluster.stop()


async def test_a_request_without_an_answer_is_not_recorded(embedded, path):
    told = []
    cluster = KubeconfigCluster(SystemClock(), Randomness(), "mine", lambda *call: told.append(call), kubeconfig=path)
    await cluster.start()
    client = cluster.client("User")
    with pytest.raises(NotFound):
        await client.delete(NAMESPACE, "nobody")
    assert [(call[2], call[3]["code"], call[3]["namespace"]) for call in told] == [("DELETE Namespace", 404, "")]
    await embedded.stop()
    with pytest.raises(OSError):  # noqa: PT011
        await client.create(DEVICE, device("d", public_key=b"k", device_type="virtual"))
    assert len(told) == 1
    await cluster.stop()


async def test_what_is_wrong_with_the_file_or_the_cluster_is_said(embedded, path, tmp_path, monkeypatch):
    broken = tmp_path / "broken"
    broken.write_text("not: a kubeconfig")
    with pytest.raises(UsageError, match="not a usable Kubernetes configuration"):
        await KubeconfigCluster(SystemClock(), Randomness(), kubeconfig=broken).start()
    token = next(line for line in path.read_text().splitlines() if "token" in line)
    stranger = tmp_path / "stranger"
    stranger.write_text(path.read_text().replace(token, "    token: wrong"))
    cluster = KubeconfigCluster(SystemClock(), Randomness(), kubeconfig=stranger)
    with pytest.raises(RigError, match="refused to be set up: Unauthorized"):
        await cluster.start()
    await cluster.stop()
    cluster = KubeconfigCluster(SystemClock(), Randomness(), kubeconfig=path)
    with pytest.raises(UsageError, match="cannot be copied"):
        await cluster.write_kubeconfig(tmp_path / "broken" / "config")
    await embedded.stop()
    with pytest.raises(RigError, match="cannot be reached"):
        await cluster.start()
    await cluster.stop()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    assert "nowhere is not there" in KubeconfigCluster.unavailable()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert KubeconfigCluster.unavailable() is None


async def test_a_copy_of_a_kubeconfig_is_for_its_owner_only_whatever_was_there(path, tmp_path):
    copy = tmp_path / "copy"
    copy.write_text("open to everybody")
    copy.chmod(0o644)
    await KubeconfigCluster(SystemClock(), Randomness(), kubeconfig=path).write_kubeconfig(copy)
    assert copy.read_bytes() == path.read_bytes()
    assert copy.stat().st_mode & 0o077 == 0


async def test_a_type_that_is_never_established_is_waited_for_only_so_long(path, monkeypatch):
    monkeypatch.setattr("harness.clusters.existing.definitions.is_established", lambda _: False)

    class NoticedClock(ManualClock):
        waited_on = asyncio.Event()

        def call_later(self, seconds, callback):
            self.waited_on.set()
            return super().call_later(seconds, callback)

    clock = NoticedClock()
    cluster = KubeconfigCluster(clock, Randomness(), kubeconfig=path)
    starting = asyncio.ensure_future(cluster.start())
    await clock.waited_on.wait()
    await clock.advance(31)
    with pytest.raises(RigError, match="was not established within 30 s"):
        await starting
    await cluster.stop()


async def test_types_that_may_not_be_installed_are_said_with_the_rule_that_lets_them(embedded, path, tmp_path):
    api = await KubernetesApi.open("default", kubeconfig=path)
    await api.create(SERVICE_ACCOUNT, {"metadata": {"name": "guest"}})
    token = await api._call("POST", "/api/v1/namespaces/default/serviceaccounts/guest/token", body={"spec": {}})
    await api.close()
    config = yaml.safe_load(path.read_text())
    config["users"][0]["user"] = {"token": token["status"]["token"]}
    (tmp_path / "guest").write_text(yaml.safe_dump(config))
    guest = await KubernetesApi.open("default", kubeconfig=tmp_path / "guest")
    with pytest.raises(RigError) as caught:
        await install(guest, SystemClock(), [definition()])
    await guest.close()
    text = str(caught.value)
    assert text.startswith("CustomResourceDefinition widgets.example.org: these credentials may not install")
    assert text.endswith(
        '    - apiGroups: ["apiextensions.k8s.io"]\n      resources: ["customresourcedefinitions"]\n'
        "      verbs: [create, get, list, patch, watch]"
    )


async def test_a_cluster_that_stays_away_is_reported_once_and_given_up(embedded, path, caplog, monkeypatch):
    monkeypatch.setattr(existing, "GIVEN_UP_AFTER", 0.5)
    clock = SystemClock()
    cluster = KubeconfigCluster(clock, Randomness(), "mine", kubeconfig=path)
    await cluster.start()
    informers = [
        Informer(cluster.client(name), resource, clock, Randomness())
        for name in ("Gateway", "DeviceController", "GatewayController")
        for resource in (DEVICE, GATEWAY)
    ]
    for informer in informers:
        await informer.start()
    lost = asyncio.create_task(cluster.lost())
    caplog.clear()
    await embedded.stop()
    with pytest.raises(RigError, match=r"the cluster has not answered for 0\.5 s: ") as refused:
        await lost
    assert "start the platform again" in refused.value.do
    assert [message.partition(":")[0] for message in caplog.messages] == ["the Kubernetes API at https"]
    for informer in informers:
        await informer.stop()
    await cluster.stop()


async def test_the_kubeconfig_that_it_writes_names_its_namespace(path, tmp_path):
    cluster = KubeconfigCluster(SystemClock(), Randomness(), "mine", kubeconfig=path)
    await cluster.write_kubeconfig(tmp_path / "copy")
    original, copy = (yaml.safe_load(one.read_text()) for one in (path, tmp_path / "copy"))
    assert original["contexts"][0]["context"]["namespace"] != "mine"
    assert copy["contexts"][0]["context"].pop("namespace") == "mine"
    original["contexts"][0]["context"].pop("namespace")
    assert copy == original

"""The cluster kind for an existing cluster, tried on the embedded one behind its socket."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
import yaml

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.existing import KubeconfigCluster
from harness.clusters.existing import cluster as existing
from harness.clusters.existing.client import TappedClient
from harness.clusters.existing.definitions import install
from harness.clusters.existing.ownership import _started, ownership
from harness.core.clock import ManualClock, SystemClock
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.testing.cluster import CLUSTER_CHECKS, check_cluster
from harness.wasmbed.resources import kubernetes_api
from harness.wasmbed.resources.api import ApiError, Gone, NotFound, Resource
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, GATEWAY, LEASE, NAMESPACE
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.manifests import application, device
from harness.wasmbed.resources.names import HOST_LABEL, PROCESS_ANNOTATION, STOP_FINALIZER
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


@pytest.mark.settings(namespace="other")
async def test_what_a_run_made_in_a_namespace_that_stays_goes(embedded, path, tmp_path):
    others = embedded.client("Test")
    await others.create(NAMESPACE, {"metadata": {"name": "mine"}})
    others = await KubernetesApi.open("mine", kubeconfig=path)
    await others.create(DEVICE, device("theirs", public_key=b"k", device_type="virtual"))
    cluster = KubeconfigCluster(SystemClock(), Randomness(), "mine", _tap, kubeconfig=path)
    await cluster.start()
    await cluster.give_access("Gateway", tmp_path / "access")
    program = await KubernetesApi.open("mine", kubeconfig=tmp_path / "access")
    ours = cluster.client("User")
    await ours.create(DEVICE, device("ours", public_key=b"k", device_type="virtual"))
    await ours.create(DEVICE, device("again", public_key=b"k", device_type="virtual"))
    await others.delete(DEVICE, "again")
    await others.create(DEVICE, device("again", public_key=b"other", device_type="virtual"))
    held = application("app", module=b"\0asm\1\0\0\0", all_devices=True)
    held["metadata"]["finalizers"] = [STOP_FINALIZER]
    await program.create(APPLICATION, held)
    await program.close()
    await cluster.stop()
    left = {
        item["metadata"]["name"] for resource in (DEVICE, APPLICATION) for item in (await others.list(resource)).items
    }
    await others.close()
    assert left == {"theirs", "again"}


@pytest.mark.settings(namespace="other")
@pytest.mark.parametrize(
    ("process", "host", "why", "do"),
    [
        ("{machine} 1 {started}", "here", "process 1 uses it", "end it, or choose another: --namespace=NAME"),
        ("{machine} 1 0", "here", "a run that was killed left it", "remove it: wasmbed clean --cluster"),
        ("elsewhere 1 0", "there", "a run on there made it, which may still use it", "end that run"),
    ],
)
async def test_a_namespace_of_another_run_is_refused(embedded, path, process, host, why, do):
    mark = ownership()
    process = process.format(machine=mark["annotations"][PROCESS_ANNOTATION].split()[0], started=_started(1))
    mark["annotations"][PROCESS_ANNOTATION] = process
    mark["labels"][HOST_LABEL] = host
    made = await embedded.client("Test").create(NAMESPACE, {"metadata": {"name": "mine", **mark}})
    cluster = KubeconfigCluster(SystemClock(), Randomness(), "mine", kubeconfig=path)
    with pytest.raises(RigError) as refused:
        await cluster.start()
    await cluster.stop()
    assert refused.value.what == why
    assert refused.value.do.startswith(do)
    assert await embedded.client("Test").get(NAMESPACE, "mine") == made


@pytest.mark.settings(namespace="other")
@pytest.mark.parametrize(
    ("process", "why", "do"),
    [
        ("{machine} 1 {started}", "process 1 uses it", "end it, or choose another: --namespace=NAME"),
        ("{machine} 1 0", "a run that was killed left it", "delete what it left, or choose another: kubectl delete -n"),
    ],
)
async def test_another_run_in_a_namespace_that_somebody_made_is_noticed(embedded, path, process, why, do):
    """Two platforms in one namespace write over each other's resources."""
    await embedded.client("Test").create(NAMESPACE, {"metadata": {"name": "mine"}})
    others = await KubernetesApi.open("mine", kubeconfig=path)
    first, second = (KubeconfigCluster(SystemClock(), Randomness(), "mine", _tap, kubeconfig=path) for _ in range(2))
    await first.start()
    (lease,) = (await others.list(LEASE)).items
    mark = lease["metadata"]["annotations"][PROCESS_ANNOTATION]
    other = process.format(machine=mark.split()[0], started=_started(1))
    await others.patch(LEASE, "wasmbed-run", {"metadata": {"annotations": {PROCESS_ANNOTATION: other}}})
    with pytest.raises(RigError) as refused:
        await second.start()
    await second.stop()
    assert refused.value.what == why
    assert refused.value.where == "namespace mine"
    assert refused.value.do.startswith(do)
    await first.stop()
    assert (await others.list(LEASE)).items == []
    await second.start()
    await second.stop()
    await others.close()


@pytest.mark.settings(namespace="other")
async def test_a_namespace_that_is_being_deleted_is_waited_for(embedded, path, monkeypatch):
    others = embedded.client("Test")
    made = await others.create(NAMESPACE, {"metadata": {"name": "mine", "finalizers": ["example.com/held"]}})
    await others.delete(NAMESPACE, "mine")
    cluster = KubeconfigCluster(SystemClock(), Randomness(), "mine", kubeconfig=path)
    with monkeypatch.context() as patched:
        patched.setattr("harness.clusters.existing.namespaces.GONE_WITHIN", 0.1)
        with pytest.raises(RigError, match=r"namespace mine: it is being deleted, and was not gone within 0\.1 s"):
            await cluster.start()
    await cluster.stop()
    starting = asyncio.ensure_future(cluster.start())
    await others.patch(NAMESPACE, "mine", {"metadata": {"finalizers": None}})
    await starting
    assert (await others.get(NAMESPACE, "mine"))["metadata"]["uid"] != made["metadata"]["uid"]
    await cluster.stop()


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
    with pytest.raises(RigError, match=r"refused to be set up: Unauthorized\n  -> .*have expired: get new ones"):
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
    monkeypatch.setenv("KUBECONFIG", f":{tmp_path / 'nowhere'}:{tmp_path / 'config'}")
    assert KubeconfigCluster.unavailable() is None
    assert KubeconfigCluster.default_path() == tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path / 'stranger'}:{tmp_path / 'config'}")
    assert "KUBECONFIG names 2 files" in KubeconfigCluster.unavailable()
    assert "--flatten" in KubeconfigCluster.unavailable()
    monkeypatch.setenv("KUBECONFIG", "")
    assert KubeconfigCluster.default_path() == Path.home() / ".kube" / "config"


async def test_a_copy_of_a_kubeconfig_is_for_its_owner_only_whatever_was_there(path, tmp_path):
    copy = tmp_path / "copy"
    copy.write_text("open to everybody")
    copy.chmod(0o644)
    await KubeconfigCluster(SystemClock(), Randomness(), kubeconfig=path).write_kubeconfig(copy)
    assert copy.read_bytes() == path.read_bytes()
    assert copy.stat().st_mode & 0o077 == 0


async def test_a_copy_of_a_kubeconfig_finds_the_files_beside_the_original(path, tmp_path):
    config = yaml.safe_load(path.read_text())
    (cluster,), (user,) = config["clusters"], config["users"]
    (tmp_path / "ca").write_bytes(base64.b64decode(cluster["cluster"].pop("certificate-authority-data")))
    (tmp_path / "token").write_text(user["user"].pop("token"))
    cluster["cluster"]["certificate-authority"], user["user"]["tokenFile"] = "ca", "./token"
    original = tmp_path / "original"
    original.write_text(yaml.safe_dump(config))
    copy = tmp_path / "elsewhere" / "copy"
    await KubeconfigCluster(SystemClock(), Randomness(), kubeconfig=original).write_kubeconfig(copy)
    api = await KubernetesApi.open("wasmbed", kubeconfig=copy)
    assert (await api.list(DEVICE)).items == []
    await api.close()


async def test_a_record_with_a_gap_is_not_judged(path, monkeypatch):
    """After 410 the platform lists again, and what happened meanwhile is not in the record: that convicts nobody."""
    cluster = KubeconfigCluster(SystemClock(), Randomness(), "mine", _tap, kubeconfig=path)
    await cluster.start()
    client = cluster.client("Gateway")
    await client.create(DEVICE, device("d1", public_key=b"k", device_type="virtual"))
    monkeypatch.setattr(kubernetes_api, "_event", _expired)
    await cluster.check()
    with pytest.raises(Gone):
        async with client.watch(DEVICE, resource_version="0") as events:
            await anext(events)
    with pytest.raises(RigError, match=r"\(1 ended with 410 Gone\); the first: WATCH Device of Gateway"):
        await cluster.check()
    await cluster.stop()


def _expired(event):
    raise Gone({"code": 410, "reason": "Expired"})


async def test_a_type_is_waited_for_until_it_is_served(path, monkeypatch):
    """A real server may have established a type whose path or storage is not there yet."""
    refusals = [ApiError({"code": 404}), ApiError({"code": 429, "message": "storage is (re)initializing"})]
    real = TappedClient.list

    async def listed(self, resource, **selectors):
        if resource == DEVICE and refusals:
            raise refusals.pop()
        return await real(self, resource, **selectors)

    monkeypatch.setattr(TappedClient, "list", listed)
    monkeypatch.setattr("harness.clusters.existing.definitions._put", _unestablished)
    cluster = KubeconfigCluster(SystemClock(), Randomness(), kubeconfig=path)
    await cluster.start()
    await cluster.stop()
    assert refusals == []


async def _unestablished(api, definition):
    return definition


def _tap(*event, **more):
    """A tap that keeps nothing."""


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

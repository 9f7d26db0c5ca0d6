"""The cluster kinds that start a real kube-apiserver, where it is built (make apiserver)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.cli.main import run
from harness.clusters.apiserver import ApiserverCluster, program
from harness.clusters.envtest import EnvtestCluster
from harness.clusters.existing import KubeconfigCluster
from harness.clusters.existing.cluster import LEAVING
from harness.clusters.existing.namespaces import Leaving
from harness.clusters.existing.ownership import ownership
from harness.clusters.session import SESSION
from harness.core.clock import SystemClock
from harness.core.errors import RigError
from harness.core.identifiers import Randomness
from harness.testing.cluster import CLUSTER_CHECKS, check_cluster
from harness.wasmbed.resources.api import NotFound, Resource
from harness.wasmbed.resources.kinds import APPLICATION, DEVICE, NAMESPACE
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.manifests import application, device


def built(test):
    """A test on a real API server."""
    skip = pytest.mark.skipif(ApiserverCluster.unavailable() is not None, reason=str(ApiserverCluster.unavailable()))
    return pytest.mark.system("kube-apiserver")(skip(test))


@pytest.fixture
async def cluster():
    """A namespace on the server of the session, which tests on the other workers use too."""
    cluster = ApiserverCluster(SystemClock(), Randomness(), f"test-{Randomness().token(4)}")
    await cluster.start()
    yield cluster
    await cluster.stop()


@pytest.fixture
def other_session(monkeypatch):
    servers = {}
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", f"alone-{os.getpid()}-{Randomness().token(4)}")
    monkeypatch.setattr("harness.clusters.session._joined", servers)
    yield
    for server in servers.values():
        server.leave()


@pytest.fixture
async def lone_cluster(other_session):
    """A namespace on a server that no other test uses."""
    cluster = ApiserverCluster(SystemClock(), Randomness(), f"test-{Randomness().token(4)}")
    await cluster.start()
    yield cluster
    await cluster.stop()


@built
async def test_it_passes_the_conformance_kit():
    outcomes = {}
    await check_cluster(ApiserverCluster, progress=outcomes.__setitem__)
    assert outcomes == dict.fromkeys(CLUSTER_CHECKS, "passed")


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    """The binaries of envtest: the environment's, or the program here under their names."""
    if EnvtestCluster.unavailable() is None:
        return os.environ.get("KUBEBUILDER_ASSETS", "")
    if ApiserverCluster.unavailable() is not None:
        pytest.skip(f"{EnvtestCluster.unavailable()}; nor is there: {ApiserverCluster.unavailable()}")
    folder = tmp_path_factory.mktemp("assets")
    for name in ("kube-apiserver", "etcd"):
        (folder / name).symlink_to(program.program())
    return str(folder)


@pytest.mark.system("kube-apiserver")
async def test_envtest_passes_what_needs_no_controllers(assets, monkeypatch):
    if assets:
        monkeypatch.setenv("KUBEBUILDER_ASSETS", assets)
    outcomes = {}
    checks = [name for name in CLUSTER_CHECKS if name != "collects_dependents"]
    await check_cluster(EnvtestCluster, only=checks, progress=outcomes.__setitem__)
    assert outcomes == dict.fromkeys(checks, "passed")


def test_envtest_says_what_is_missing(monkeypatch, tmp_path):
    (tmp_path / "etcd").touch(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert EnvtestCluster.unavailable().startswith(f"kube-apiserver not in {tmp_path}, where KUBEBUILDER_ASSETS points")


@built
async def test_a_cluster_that_dies_in_the_middle_is_the_rigs_fault(lone_cluster):
    cluster = lone_cluster
    await cluster.check()
    folder = cluster._path.parent
    server = next(int(pid) for pid in os.listdir("/proc") if pid.isdigit() and str(folder) in arguments(pid))
    os.kill(server, 9)
    await asyncio.to_thread(os.waitpid, server, 0)
    with pytest.raises(OSError):  # noqa: PT011
        await cluster.client("User").list(DEVICE)
    with pytest.raises(RigError, match=r"the cluster does not answer any more(.|\n)*the end of its log:"):
        await cluster.check()


def arguments(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


@built
async def test_rights_that_are_missing_are_named(cluster, tmp_path):
    accounts = Resource("", "v1", "serviceaccounts", "ServiceAccount")
    roles = Resource("rbac.authorization.k8s.io", "v1", "roles", "Role")
    bindings = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
    api = await KubernetesApi.open(cluster.namespace, kubeconfig=cluster._path)
    await api.create(accounts, {"metadata": {"name": "guest"}})
    rules = [{"apiGroups": ["wasmbed.io"], "resources": ["*"], "verbs": ["*"]}]
    await api.create(roles, {"metadata": {"name": "guest"}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "guest", "namespace": cluster.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "guest"}
    await api.create(bindings, {"metadata": {"name": "guest"}, "roleRef": role, "subjects": [subject]})
    path = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/guest/token"
    token = (await api._call("POST", path, body={"spec": {}}))["status"]["token"]
    await api.close()
    config = yaml.safe_load(cluster._path.read_text())
    config["users"][0]["user"] = {"token": token}
    guest = tmp_path / "guest"
    guest.write_text(yaml.safe_dump(config))
    stranger = KubeconfigCluster(SystemClock(), Randomness(), cluster.namespace, kubeconfig=guest)
    with pytest.raises(RigError) as caught:
        await stranger.start()
    await stranger.stop()
    assert "these credentials may not" in str(caught.value)
    assert 'resources: ["namespaces"]\n      verbs: [create, delete, list, watch]' in str(caught.value)
    assert "devices" not in str(caught.value)


async def said_of(cluster):
    """The words of the session's end of a cluster's namespace. Other tests may have left some on servers that ended."""
    return [said for said in await LEAVING.settle(SystemClock()) if cluster.namespace in said]


@built
async def test_a_namespace_goes_with_the_finalizers_in_it(cluster):
    guest = KubeconfigCluster(SystemClock(), Randomness(), f"g-{cluster.namespace}", kubeconfig=cluster._path)
    await guest.start()
    held = application("app", module=b"\0asm\1\0\0\0", all_devices=True)
    held["metadata"]["finalizers"] = ["wasmbed.io/stop"]
    await guest.client("User").create(APPLICATION, held)
    await guest.stop()
    assert await said_of(guest) == []
    with pytest.raises(NotFound):
        await cluster.client("User").get(NAMESPACE, guest.namespace)


@built
async def test_a_namespace_is_emptied_wherever_its_objects_are_stored(cluster):
    """The server asks its store what a namespace has, and not all types are stored under their names."""
    api, name = cluster.client("User"), f"e-{cluster.namespace}"
    template = {"metadata": {"labels": {"app": "one"}}, "spec": {"containers": [{"name": "one", "image": "one"}]}}
    contents = {
        Resource("", "v1", "configmaps", "ConfigMap"): {},
        Resource("", "v1", "services", "Service"): {"spec": {"ports": [{"port": 80}]}},
        Resource("", "v1", "endpoints", "Endpoints"): {},
        Resource("", "v1", "events", "Event"): {"involvedObject": {"namespace": name}},
        Resource("", "v1", "replicationcontrollers", "ReplicationController"): {
            "spec": {"replicas": 0, "selector": {"app": "one"}, "template": template}
        },
        Resource("apps", "v1", "controllerrevisions", "ControllerRevision"): {"revision": 1, "data": {"a": 1}},
        Resource("coordination.k8s.io", "v1", "leases", "Lease"): {},
        Resource("networking.k8s.io", "v1", "ingresses", "Ingress"): {
            "spec": {"defaultBackend": {"service": {"name": "one", "port": {"number": 80}}}}
        },
        Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"): {"spec": {"podSelector": {}}},
        Resource("rbac.authorization.k8s.io", "v1", "roles", "Role"): {"rules": []},
        DEVICE: device("one", public_key=b"k", device_type="virtual"),
    }
    inside = await KubernetesApi.open(name, kubeconfig=cluster._path)
    namespace = {"metadata": {"name": name}}
    await api.create(NAMESPACE, namespace)
    for resource, content in contents.items():
        about = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": "one"}}
        await inside.create(resource, {**about, **content})
    await api.delete(NAMESPACE, name)
    leaving = Leaving()
    leaving.add(cluster._path, name)
    assert await leaving.settle(SystemClock()) == []
    await api.create(NAMESPACE, namespace)
    left = {resource.plural: len((await inside.list(resource)).items) for resource in contents}
    await inside.close()
    await api.delete(NAMESPACE, name)
    assert left == {resource.plural: 0 for resource in contents}


@built
async def test_what_keeps_a_namespace_is_said(cluster, monkeypatch):
    async def until_it_is_known(api, name):
        field = f"metadata.name={name}"
        async with api.watch(NAMESPACE, resource_version="0", field_selector=field) as events:
            async for event in events:
                if any(one["status"] == "True" for one in event.object["status"].get("conditions", ())):
                    return

    guest = KubeconfigCluster(SystemClock(), Randomness(), f"k-{cluster.namespace}", kubeconfig=cluster._path)
    await guest.start()
    held = device("d", public_key=b"k", device_type="virtual")
    held["metadata"]["finalizers"] = ["example.com/mine"]
    await guest.client("User").create(DEVICE, held)
    await guest.stop()
    await until_it_is_known(cluster.client("User"), guest.namespace)
    monkeypatch.setattr("harness.clusters.existing.namespaces.GONE_WITHIN", 0.5)
    (said,) = await said_of(guest)
    assert said.startswith(f"namespace {guest.namespace} is still there: ")
    assert "example.com/mine in 1 resource instances" in said


@built
async def test_clean_removes_what_killed_runs_left_and_nobody_elses(lone_cluster, capsys):
    cluster = lone_cluster

    async def make(api, name, **metadata):
        await api.create(NAMESPACE, {"metadata": {"name": name, **metadata}})

    api, mine = cluster.client("User"), ownership()
    machine, pid, started = mine["annotations"]["wasmbed.io/process"].split()
    dead = {"wasmbed.io/process": f"{machine} {pid} {int(started) - 1}"}
    names = [f"{name}-{cluster.namespace}" for name in ("dead", "others", "used")]
    await make(api, names[0], labels=mine["labels"], annotations=dead)
    await make(api, names[1], labels={"app.kubernetes.io/managed-by": "Helm"})
    await make(api, names[2], **mine)
    code = await asyncio.to_thread(run, ["clean", "--cluster", f"--kubeconfig={cluster._path}", "--reports=none"])
    said, error = capsys.readouterr()
    assert code == 0, error
    assert f"removed namespace {names[0]}\n" in said
    assert "nothing to remove" not in said
    assert f"kept namespace {names[2]}: process {pid} uses it\n" in said
    left = {item["metadata"]["name"] for item in (await api.list(NAMESPACE)).items}
    assert left & set(names) == set(names[1:])


def test_a_program_that_is_not_built_is_said_with_the_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(program, "program", lambda: tmp_path / "none" / "wasmbed-apiserver")
    monkeypatch.setattr(program, "find_go", lambda: None)
    assert "is not built: run make apiserver, which needs Go 1." in program.missing()
    with pytest.raises(RigError, match=r"make apiserver: go is not there\n  -> install Go 1\.\d+ or newer"):
        program.build()
    monkeypatch.setattr(program, "find_go", lambda: "/usr/bin/go")
    assert program.missing().endswith("run make apiserver")


def test_a_build_that_fails_shows_the_end_of_gos_output(monkeypatch, tmp_path):
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'k8s.io/api@v0.36.3: no such host' >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setattr(program, "program", lambda: tmp_path / "folder" / "wasmbed-apiserver")
    monkeypatch.setattr(program, "find_go", lambda: str(go))
    with pytest.raises(RigError, match=r"the end of go's output:\nk8s\.io/api@v0\.36\.3: no such host\n(.|\n)*GOPROXY"):
        program.build()
    assert list((tmp_path / "folder").iterdir()) == []


def test_what_was_built_from_other_sources_is_not_used(monkeypatch, tmp_path):
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v1.36.3\n")
    (tmp_path / "main.go").write_text("package main\n")
    monkeypatch.setattr(program, "sources", lambda: tmp_path)
    before = program.program()
    (tmp_path / "main.go").write_text("package main // changed\n")
    assert program.program() != before


class Platform:
    """``wasmbed up`` on it, and a device that is connected."""

    def __init__(self, folder):
        self.kubeconfig = folder / "kubeconfig"
        alone = {name: value for name, value in os.environ.items() if name not in SESSION}
        command = ["up", "--cluster=apiserver", "--boards=virtual=1", "--port=0", "--http-port=0"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from harness.cli import main; main()", *command, f"--kubeconfig={self.kubeconfig}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=alone,
        )

    def __enter__(self):
        assert any("1 Connected" in line for line in self.process.stdout)
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.communicate()

    def end(self):
        """Its output to the end."""
        return self.process.communicate(timeout=120)[0]


@built
def test_the_platform_runs_on_it_until_it_is_told_to_stop(tmp_path):
    with Platform(tmp_path) as platform:
        assert run(["devices", f"--kubeconfig={platform.kubeconfig}"]) == 0
        platform.process.terminate()
        assert platform.end().endswith("stopped\n")
    assert not platform.kubeconfig.exists()


@built
def test_a_platform_whose_api_server_dies_says_so_and_ends(tmp_path):
    with Platform(tmp_path) as platform:
        place = f"-apiserver-{platform.process.pid}-"
        (server,) = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and place in arguments(pid)]
        os.kill(server, 9)
        said = platform.end()
    assert "cluster apiserver: the Kubernetes API server ended by itself" in said
    assert platform.process.returncode == 3

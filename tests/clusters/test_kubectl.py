"""kubectl, unchanged, against the embedded cluster: the one on PATH, and 1.20 of Debian's kubernetes-client.

The latter is taken from the environment's WASMBED_KUBECTL_1_20 or from .cache/kubectl-1.20, since its package's
files conflict with newer ones.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from harness.clusters.embedded import EmbeddedCluster
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.wasmbed.resources.kinds import DEVICE

ROOT = Path(__file__).parents[2]

DEVICE_YAML = """
apiVersion: wasmbed.io/v1
kind: Device
metadata: {name: d1, labels: {shelf: a}}
spec: {publicKey: AAAA, deviceType: mcu}
"""

CONFIG_YAML = """
apiVersion: v1
kind: ConfigMap
metadata: {name: c1}
data: {a: "1", b: "2"}
"""

DEPLOYMENT_YAML = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: a, image: "i:1", env: [{name: X, value: "1"}]}
      - {name: b, image: "j:1"}
"""

CRD_YAML = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: gadgets, kind: Gadget, shortNames: [gd]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {size: {type: integer, maximum: 9}}}
"""


def binary(version):
    if version == "path":
        return shutil.which("kubectl")
    candidates = (os.environ.get("WASMBED_KUBECTL_1_20"), str(ROOT / ".cache" / "kubectl-1.20"))
    return next((one for one in candidates if one and os.access(one, os.X_OK)), None)


class Kubectl:
    """Runs kubectl with a kubeconfig and a cache of its own."""

    def __init__(self, program, old, folder):
        self.old = old
        self._program = program
        self._folder = folder
        self._started = []

    async def start(self, *arguments, stdin=None):
        process = await asyncio.create_subprocess_exec(
            self._program,
            *arguments,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"HOME": str(self._folder), "KUBECONFIG": str(self._folder / "config"), "PATH": os.environ["PATH"]},
        )
        self._started.append(process)
        return process

    async def end(self):
        """Leave no process behind."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.communicate()

    async def run(self, *arguments, stdin=None):
        """Exit code and output."""
        process = await self.start(*arguments, stdin=stdin)
        output, _ = await process.communicate(stdin.encode() if stdin is not None else None)
        return process.returncode, output.decode()

    async def __call__(self, *arguments, stdin=None):
        """The output of a command that succeeds."""
        code, output = await self.run(*arguments, stdin=stdin)
        assert code == 0, output
        return output


@pytest.fixture
async def cluster():
    cluster = EmbeddedCluster(SystemClock(), Randomness())
    await cluster.start()
    yield cluster
    await cluster.stop()


@pytest.fixture(params=["path", pytest.param("1.20", marks=pytest.mark.system("kubectl 1.20"))])
def program(request):
    found = binary(request.param)
    if found is None:
        wanted = "kubectl is not on PATH" if request.param == "path" else "kubectl 1.20 is not at .cache/kubectl-1.20"
        pytest.skip(wanted)
    return found, request.param == "1.20"


@pytest.fixture
async def kubectl(program, cluster, tmp_path):
    await cluster.write_kubeconfig(tmp_path / "config")
    kubectl = Kubectl(*program, tmp_path)
    yield kubectl
    await kubectl.end()


async def test_looking_around(kubectl):
    assert "+wasmbed" in await kubectl("version")
    resources = await kubectl("api-resources", "--no-headers")
    assert {"dev", "app,apps", "gw", "ns", "cm"} <= set(resources.split())
    assert "Active" in await kubectl("get", "ns", "wasmbed")
    assert (await kubectl("auth", "can-i", "create", "devices")).strip() == "yes"
    assert "*.*" in await kubectl("auth", "can-i", "--list")
    explained = await kubectl("explain", "device.spec")
    assert "publicKey\t<string>" in explained
    assert "The device's properties, as it reported them when it enrolled." in explained
    assert "map[string]string" in await kubectl("explain", "configmap.data")
    explained = await kubectl("explain", "deployment.spec")
    assert "What a Deployment shall be." in explained
    assert "How pods are replaced." in explained
    code, output = await kubectl.run("get", "nonsense")
    assert code == 1
    assert "the server doesn't have a resource type" in output


async def test_applying_and_reading(kubectl):
    both = f"{DEVICE_YAML}---{CONFIG_YAML}"
    assert await kubectl("apply", "-f", "-", stdin=both) == "device.wasmbed.io/d1 created\nconfigmap/c1 created\n"
    assert (await kubectl("apply", "-f", "-", stdin=both)).count("unchanged") == 2
    changed = both.replace('b: "2"', 'c: "3"').replace("mcu", "virtual")
    assert (await kubectl("apply", "-f", "-", stdin=changed)).count("configured") == 2
    data = yaml.safe_load(await kubectl("get", "configmap", "c1", "-o", "yaml"))["data"]
    assert data == {"a": "1", "c": "3"}
    device = json.loads(await kubectl("get", "dev", "d1", "-o", "json"))
    assert (device["spec"]["deviceType"], device["metadata"]["generation"]) == ("virtual", 2)
    header, row = (await kubectl("get", "devices")).splitlines()
    assert header.split() == ["NAME", "PHASE", "GATEWAY", "HEALTH", "LAST-HEARTBEAT", "AGE"]
    assert row.split()[:2] == ["d1", "Pending"]
    assert "virtual" in await kubectl("get", "devices", "-o", "wide")
    assert (await kubectl("get", "devices", "-A", "--no-headers")).split()[:2] == ["wasmbed", "d1"]
    for selector in (("-l", "shelf=a"), ("--field-selector", "metadata.name=d1,status.phase=Pending")):
        assert "d1" in await kubectl("get", "dev", *selector)
    assert "No resources found" in await kubectl("get", "dev", "-l", "shelf=b")
    code, output = await kubectl.run("get", "dev", "--field-selector", "spec.publicKey=1")
    assert (code, "field label not supported" in output) == (1, True)
    described = await kubectl("describe", "device", "d1")
    assert "Device Type:" in described
    assert "Events:" in described
    assert "Active" in await kubectl("describe", "namespace", "wasmbed")


async def test_creating(kubectl):
    assert await kubectl("create", "namespace", "n1") == "namespace/n1 created\n"
    await kubectl("create", "configmap", "c", "-n", "n1", "--from-literal=a=b")
    await kubectl("create", "secret", "generic", "s", "-n", "n1", "--from-literal=p=q")
    await kubectl("create", "serviceaccount", "robot", "-n", "n1")
    assert await kubectl("get", "secret", "s", "-n", "n1", "-o", "jsonpath={.data.p}") == "cQ=="
    code, output = await kubectl.run("create", "configmap", "c", "-n", "n1")
    assert (code, "already exists" in output) == (1, True)
    tried = await kubectl("create", "configmap", "t", "--from-literal=a=b", "--dry-run=server", "-o", "name")
    assert tried == "configmap/t\n"
    code, output = await kubectl.run("get", "configmap", "t")
    assert (code, "not found" in output) == (1, True)
    assert await kubectl("delete", "namespace", "n1") == 'namespace "n1" deleted\n'
    code, output = await kubectl.run("create", "-f", "-", stdin=DEVICE_YAML.replace("mcu", "[]"))
    assert code == 1
    assert "spec.deviceType" in output
    code, output = await kubectl.run("create", "-f", "-", stdin=DEVICE_YAML.replace("mcu", "mcu, extra: 1"))
    assert code == 1
    assert "unknown field" in output


CREATED = """
deployment web --image=nginx:1.29 --replicas=0 --port=80
job once --image=busybox -- date
cronjob often --image=busybox --schedule=*/5_*_*_*_* -- date
job again --from=cronjob/often
quota few --hard=pods=2,cpu=1000m
poddisruptionbudget most --selector=app=web --min-available=50%
ingress door --rule=example.org/*=web:80
priorityclass high --value=1000
service clusterip web --tcp=80:8080
service externalname far --external-name=example.org
role reader --verb=get --resource=pods
rolebinding reader --role=reader --user=jane
clusterrole all-reader --verb=get,list --resource=deployments.apps
clusterrolebinding all-reader --clusterrole=all-reader --group=people
token default
"""


SERVED_OTHERWISE = ("token", "ingress", "cronjob", "pdb", "poddisruptionbudget")
"""Kinds that kubectl 1.20 does not make, or makes in a version that is no longer served."""


async def test_creating_what_kubectl_sends_in_protobuf(kubectl):
    await kubectl("create", "serviceaccount", "default")
    for line in CREATED.strip().splitlines():
        words = [word.replace("_", " ") for word in line.split(" ")]
        if kubectl.old and (words[0] in SERVED_OTHERWISE or "--from=cronjob/often" in words):
            continue
        await kubectl("create", *words)
    web = json.loads(await kubectl("get", "deployment", "web", "-o", "json"))
    assert web["spec"]["replicas"] == 0
    assert web["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    port = json.loads(await kubectl("get", "service", "web", "-o", "json"))["spec"]["ports"][0]
    assert (port["name"], port["port"], port["targetPort"]) == ("80-8080", 80, 8080)
    assert "Replicas:" in await kubectl("describe", "deployment", "web")
    await kubectl("scale", "deployment", "web", "--replicas=2")
    await kubectl("set", "image", "deployment/web", "*=nginx:2")
    await kubectl("autoscale", "deployment", "web", "--max=3")
    await kubectl("expose", "deployment", "web", "--name=exposed")
    assert "nginx:2" in await kubectl("get", "deployment", "web", "-o", "wide")


async def test_patching_labelling_and_deleting(kubectl):
    await kubectl("create", "-f", "-", stdin=f"{DEVICE_YAML}---{CONFIG_YAML}")
    merge = json.dumps({"spec": {"firmwareVersion": "1"}})
    assert await kubectl("patch", "dev", "d1", "--type=merge", "-p", merge) == "device.wasmbed.io/d1 patched\n"
    operations = [
        {"op": "test", "path": "/spec/firmwareVersion", "value": "1"},
        {"op": "replace", "path": "/spec/firmwareVersion", "value": "2"},
    ]
    await kubectl("patch", "dev", "d1", "--type=json", "-p", json.dumps(operations))
    assert await kubectl("get", "dev", "d1", "-o", "jsonpath={.spec.firmwareVersion}") == "2"
    await kubectl("patch", "configmap", "c1", "-p", json.dumps({"data": {"k": "v"}}))
    assert await kubectl("get", "configmap", "c1", "-o", "jsonpath={.data.k}") == "v"
    await kubectl("label", "dev", "d1", "shelf=b", "--overwrite")
    await kubectl("annotate", "dev", "d1", "note=x")
    assert "d1" in await kubectl("get", "dev", "-l", "shelf=b")
    code, output = await kubectl.run("patch", "dev", "d1", "-p", "{}")
    assert (code, "application/merge-patch+json" in output) == (1, True)
    assert "deleted" in await kubectl("delete", "configmap", "c1", "--wait")
    assert "deleted" in await kubectl("delete", "dev", "--all")
    code, output = await kubectl.run("delete", "dev", "d1")
    assert (code, 'devices.wasmbed.io "d1" not found' in output) == (1, True)


async def test_waiting_for_finalizers(kubectl, cluster):
    api = cluster.client("Test")
    await kubectl("create", "-f", "-", stdin=DEVICE_YAML)
    await api.patch(DEVICE, "d1", {"metadata": {"finalizers": ["x.io/a"]}})
    version = (await api.list(DEVICE)).resource_version
    deleting = await kubectl.start("delete", "dev", "d1")
    async with api.watch(DEVICE, resource_version=version) as events:
        assert "deletionTimestamp" in (await anext(events)).object["metadata"]
    assert deleting.returncode is None
    await api.patch(DEVICE, "d1", {"metadata": {"finalizers": None}})
    output, _ = await deleting.communicate()
    assert (deleting.returncode, output) == (0, b'device.wasmbed.io "d1" deleted\n')


async def test_watching(kubectl, cluster):
    await kubectl("create", "-f", "-", stdin=DEVICE_YAML)
    watching = await kubectl.start("get", "dev", "-w")
    assert (await watching.stdout.readline()).startswith(b"NAME")
    assert (await watching.stdout.readline()).split()[:2] == [b"d1", b"Pending"]
    api = cluster.client("Test")
    await api.patch_status(DEVICE, "d1", {"status": {"phase": "Enrolling"}})
    assert (await watching.stdout.readline()).split()[:2] == [b"d1", b"Enrolling"]
    watching.terminate()
    await watching.communicate()


async def test_waiting(kubectl, cluster):
    await kubectl("create", "-f", "-", stdin=DEVICE_YAML)
    condition = "--for=condition=Ready" if kubectl.old else "--for=jsonpath={.status.phase}=Enrolling"
    waiting = await kubectl.start("wait", condition, "dev/d1", "--timeout=30s")
    api = cluster.client("Test")
    ready = {"type": "Ready", "status": "True", "reason": "Tested", "message": ""}
    ready["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    await api.patch_status(DEVICE, "d1", {"status": {"phase": "Enrolling", "conditions": [ready]}})
    output, _ = await waiting.communicate()
    assert (waiting.returncode, output) == (0, b"device.wasmbed.io/d1 condition met\n")


async def test_server_side_apply(kubectl):
    async def applied(text, *more):
        return await kubectl.run("apply", "--server-side", *more, "-f", "-", stdin=text)

    for _ in range(2):
        assert await applied(CONFIG_YAML) == (0, "configmap/c1 serverside-applied\n")
    other = CONFIG_YAML.replace('"1"', '"9"').replace(', b: "2"', "")
    code, output = await applied(other, "--field-manager=other")
    assert code == 1
    assert 'Apply failed with 1 conflict: conflict with "kubectl": .data.a' in output
    assert (await applied(other, "--field-manager=other", "--force-conflicts"))[0] == 0
    data = json.loads(await kubectl("get", "configmap", "c1", "-o", "json"))["data"]
    assert data == {"a": "9", "b": "2"}


async def test_a_deployment_is_applied_by_its_lists_keys(kubectl):
    async def containers():
        text = await kubectl("get", "deployment", "web", "-o", "json")
        return json.loads(text)["spec"]["template"]["spec"]["containers"]

    await kubectl("apply", "-f", "-", stdin=DEPLOYMENT_YAML)
    changed = DEPLOYMENT_YAML.replace("i:1", "i:2").replace('value: "1"', 'value: "2"')
    await kubectl("apply", "-f", "-", stdin=changed)
    first, second = await containers()
    assert (first["image"], first["env"][0]["value"], second["image"]) == ("i:2", "2", "j:1")
    await kubectl("set", "image", "deployment/web", "b=k:9")
    assert [one["image"] for one in await containers()] == ["i:2", "k:9"]
    less = "\n".join(line for line in changed.splitlines() if "name: b" not in line)
    await kubectl("apply", "-f", "-", stdin=less)
    assert [one["name"] for one in await containers()] == ["a"]
    assert "0/1" in await kubectl("get", "deployment")


async def test_a_resource_type_of_ones_own(kubectl):
    await kubectl("apply", "-f", "-", stdin=CRD_YAML)
    await kubectl("wait", "--for=condition=established", "crd/gadgets.example.org", "--timeout=10s")
    gadget = "apiVersion: example.org/v1\nkind: Gadget\nmetadata: {name: g}\nspec: {size: 3}\n"
    await kubectl("apply", "-f", "-", stdin=gadget)
    assert (await kubectl("get", "gd", "--no-headers")).split() == ["g", "3"]
    code, output = await kubectl.run("apply", "-f", "-", stdin=gadget.replace("3", "30"))
    assert code == 1
    assert "spec.size in body should be less than or equal to 9" in output
    assert "gadgets.example.org" in await kubectl("get", "crd")
    await kubectl("delete", "crd", "gadgets.example.org")
    assert (await kubectl.run("get", "gd"))[0] == 1

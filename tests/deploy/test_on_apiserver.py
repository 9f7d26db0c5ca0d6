"""Every overlay on a real API server: accepted in full, and its pods by the restricted level of Pod Security."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any

import pytest
import yaml

from harness.shards.job import Suite, job
from tests.deploy.conftest import DEPLOY
from tests.deploy.server import NAMESPACE, AuditedServer, build, of_kind
from tests.deploy.test_manifests import BASE, OVERLAYS, WORKLOADS, template

pytestmark = pytest.mark.system("kube-apiserver")


def pods(objects: list[dict[str, Any]]) -> str:
    """A Pod of each workload, as its controller would make it."""
    made = []
    for workload in of_kind(objects, *WORKLOADS):
        spec = copy.deepcopy(template(workload))
        for claim in workload["spec"].get("volumeClaimTemplates", ()):
            name = claim["metadata"]["name"]
            spec["volumes"].append({"name": name, "persistentVolumeClaim": {"claimName": name}})
        metadata = {"name": workload["metadata"]["name"].lower(), "namespace": NAMESPACE}
        made.append({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    return yaml.safe_dump_all(made)


def test_the_chart_is_installed_and_removed(server: AuditedServer, tool: Callable[[str], Path]) -> None:
    """Helm takes over nothing that it has not made, as the priorities of an overlay, which have no namespace."""

    def helm(*arguments: str) -> str:
        command = [tool("helm"), f"--kubeconfig={server.kubeconfig}", "--namespace=chart", *arguments]
        done = subprocess.run(command, stdout=PIPE, stderr=STDOUT, text=True, timeout=150, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    server.kubectl("delete", "priorityclass", "--ignore-not-found", "wasmbed-platform", "wasmbed-boards")
    said = helm("install", "wasmbed", str(DEPLOY / "chart"), "--create-namespace")
    assert "STATUS: deployed" in said
    assert "arning" not in said
    made = server.kubectl("get", "-nchart", "statefulsets,deployments,cronjobs,roles,networkpolicies", "-oname")
    assert len(made.splitlines()) == len(of_kind(build(tool("kustomize"), BASE), *WORKLOADS, "Role", "NetworkPolicy"))
    helm("uninstall", "wasmbed")
    assert server.kubectl("get", "-nchart", "statefulsets,deployments,cronjobs,roles,networkpolicies", "-oname") == ""


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_accepted(server: AuditedServer, tool: Callable[[str], Path], overlay: str) -> None:
    """The server knows every field, warns of nothing, and applies the same again."""
    objects = build(tool("kustomize"), DEPLOY / "kustomize" / "overlays" / overlay)
    run = job(Suite(("scenarios", "--boards=sim"), 4, "wasmbed/boards:0.1.0"), "wasmbed-run-1")
    objects.append({**run, "metadata": {**run["metadata"], "namespace": NAMESPACE}})
    text = yaml.safe_dump_all(objects)
    apply = ("apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-")
    said = server.kubectl(*apply, given=text)
    said += server.kubectl(*apply, "--dry-run=server", given=text)
    assert said.count("serverside-applied") == 2 * len(objects)
    assert "Warning" not in said
    said = server.kubectl("create", "--dry-run=server", "-f", "-", given=pods(objects))
    assert said.count("created") == len(of_kind(objects, *WORKLOADS))
    assert "Warning" not in said


def test_a_pod_that_is_not_confined_is_refused(server: AuditedServer, tool: Callable[[str], Path]) -> None:
    """So the tests above prove something: the namespace enforces the level."""
    objects = build(tool("kustomize"), DEPLOY / "kustomize" / "overlays" / "local")
    server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=yaml.safe_dump_all(objects))
    loose = list(yaml.safe_load_all(pods(objects)))[:1]
    del loose[0]["spec"]["securityContext"]["seccompProfile"]
    with pytest.raises(AssertionError, match='violates PodSecurity "restricted'):
        server.kubectl("create", "--dry-run=server", "-f", "-", given=yaml.safe_dump_all(loose))

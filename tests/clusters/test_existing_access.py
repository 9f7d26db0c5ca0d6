"""Checks of an existing cluster before anything is made in it, and the owners of namespaces."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from harness.clusters.apiserver.program import version
from harness.clusters.existing.access import NEWEST, check_context, check_rights, check_version
from harness.clusters.existing.ownership import SELECTOR, ownership, why_kept
from harness.core.errors import RigError, UsageError
from harness.wasmbed.resources.names import PROCESS_ANNOTATION

NOW = datetime(2026, 11, 29, tzinfo=UTC).timestamp()


class Answers:
    """An API server whose answers a test chooses."""

    def __init__(self, **answers):
        self.namespace = "mine"
        self.answers = answers

    async def version(self):
        return self.answers["version"]

    async def create(self, resource, body):
        if resource.plural == "selfsubjectaccessreviews":
            asked = body["spec"]["resourceAttributes"]
            assert ("namespace" in asked) == (asked["resource"] not in ("namespaces", "customresourcedefinitions"))
            return {"status": {"allowed": (asked["verb"], asked["resource"]) not in self.answers["refused"]}}
        assert body["spec"]["namespace"] == "mine"
        return {"status": {"resourceRules": self.answers["rules"], "incomplete": self.answers.get("incomplete", False)}}


@pytest.fixture
def kubeconfig(tmp_path):
    path = tmp_path / "config"
    path.write_text("current-context: prod\n")
    return path


def test_a_cluster_on_another_machine_must_be_allowed_by_name(kubeconfig):
    with pytest.raises(
        UsageError, match=r"context 'prod' is the cluster https://10\.0\.0\.1:6443(.|\n)*--allow-cluster=prod"
    ):
        check_context(kubeconfig, "https://10.0.0.1:6443", None)
    with pytest.raises(UsageError, match="the current context is 'prod', allowed is 'lab'"):
        check_context(kubeconfig, "https://k8s.example", "lab")
    check_context(kubeconfig, "https://k8s.example", "prod")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "kubernetes.docker.internal"])
def test_a_cluster_on_this_machine_needs_no_leave(kubeconfig, host):
    check_context(kubeconfig, f"https://{host}:6443", None)


async def test_a_kubernetes_that_is_too_old_is_named():
    for minor, text in (("30", "1.30.5"), ("20+", "1.20.1-eks")):
        old = Answers(version={"major": "1", "minor": minor, "gitVersion": f"v{text}"})
        with pytest.raises(RigError, match=rf"Kubernetes v{text}(.|\n)*-> use Kubernetes 1\.31 or newer"):
            await check_version(old, "config")
    await check_version(Answers(version={"major": "1", "minor": "36", "gitVersion": "v1.36.3"}), "config")


def test_the_newest_kubernetes_is_the_one_that_scenarios_run_on():
    assert tuple(map(int, version().split(".")[:2])) == NEWEST


async def test_a_newer_kubernetes_is_told_in_the_log_and_used(caplog):
    await check_version(Answers(version={"major": "1", "minor": "36", "gitVersion": "v1.36.3"}), "config")
    assert not caplog.records
    await check_version(Answers(version={"major": "1", "minor": "38+", "gitVersion": "v1.38.0-gke"}), "config")
    assert "the cluster is Kubernetes v1.38.0-gke; the newest that this harness was tested on is 1.36" in caplog.text


async def test_rights_that_are_missing_are_named_with_the_rules_that_give_them():
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    await check_rights(Answers(rules=[everything]), "config")
    own = {"apiGroups": ["wasmbed.io"], "resources": ["*", "*/status"], "verbs": ["*"]}
    core = {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["*"]}
    reads = {"apiGroups": ["", "apiextensions.k8s.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
    one = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["*"], "resourceNames": ["x"]}
    with pytest.raises(RigError) as caught:
        await check_rights(Answers(rules=[own, core, reads, one]), "config")
    text = str(caught.value)
    assert "may not create/delete/get/list/patch/update/watch leases, create/delete namespaces\n" in text
    assert '    - apiGroups: [""]\n      resources: ["namespaces"]\n      verbs: [create, delete]' in text


async def test_a_cluster_that_cannot_list_all_rights_is_asked_for_each():
    """Where a webhook decides too, as in the managed clusters of most providers."""
    await check_rights(Answers(rules=[], incomplete=True, refused=()), "config")
    refused = (("delete", "namespaces"), ("patch", "devices"))
    with pytest.raises(RigError) as caught:
        await check_rights(Answers(rules=[], incomplete=True, refused=refused), "config")
    text = str(caught.value)
    assert "these credentials may not patch devices, patch devices/status, delete namespaces\n" in text
    assert '    - apiGroups: [""]\n      resources: ["namespaces"]\n      verbs: [delete]' in text


def namespace(**annotations):
    return {"metadata": {"creationTimestamp": "2026-11-28T12:00:00Z", "annotations": annotations}}


def test_a_namespace_is_kept_while_its_process_lives():
    mine = ownership()
    assert all(f"{key}={value}" in SELECTOR.split(",") for key, value in mine["labels"].items())
    assert "uses it" in why_kept(namespace(**mine["annotations"]), NOW)
    done = subprocess.run(
        [sys.executable, "-c", "from harness.clusters.existing.ownership import *; print(ownership()['annotations'])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert why_kept(namespace(**{PROCESS_ANNOTATION: done.stdout.split("'")[3]}), NOW) is None


def test_another_process_under_an_old_number_is_not_mistaken_for_it():
    machine, pid, started = ownership()["annotations"][PROCESS_ANNOTATION].split()
    assert why_kept(namespace(**{PROCESS_ANNOTATION: f"{machine} {pid} {int(started) - 1}"}), NOW) is None


def test_what_may_be_another_machines_is_left_alone_for_a_day():
    elsewhere = namespace(**{PROCESS_ANNOTATION: "another-start/1 7 100"})
    assert "another machine" in why_kept(elsewhere, NOW)
    assert why_kept(elsewhere, NOW + 24 * 3600) is None

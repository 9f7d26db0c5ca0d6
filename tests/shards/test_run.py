"""A suite as a Job of a real API server, whose pods' commands are run as processes: its report, what can go wrong."""

from __future__ import annotations

import asyncio
import json
import operator
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import yaml

from harness.clusters.existing.access import Right
from harness.core.clock import SystemClock
from harness.core.errors import HarnessError, RigError, UsageError
from harness.core.identifiers import Randomness
from harness.reporting.runs import iterate_run
from harness.shards.diagnosis import index_of
from harness.shards.run import RIGHTS
from harness.wasmbed.resources.api import Object, Resource
from harness.wasmbed.resources.informer import Informer
from harness.wasmbed.resources.kinds import JOB, POD
from harness.wasmbed.resources.kubernetes_api import KubernetesApi
from harness.wasmbed.resources.timestamps import format_timestamp
from tests.shards.conftest import Site
from tests.shards.node import Node, kill

pytestmark = pytest.mark.system("kube-apiserver")


async def command(site: Site, *arguments: str, largest: int = -1) -> asyncio.subprocess.Process:
    """Start ``wasmbed run`` in the site's folder; ``largest``: the bytes of a file that it may write, -1 for any."""
    program = (sys.executable, "-m", "harness.cli", "run", "--on=kubernetes", "--image=example/suite:1")
    options = (f"--kubeconfig={site.kubeconfig}", f"--namespace={site.api.namespace}", *arguments)
    pipe, both = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (largest, largest))
    return await asyncio.create_subprocess_exec(
        *program, *options, cwd=site.folder, stdout=pipe, stderr=both, preexec_fn=limit
    )


async def gone(site: Site) -> None:
    """Wait until the Job and its pods are gone."""
    informers = [Informer(site.api, kind, SystemClock(), Randomness()) for kind in (JOB, POD)]
    for informer in informers:
        await informer.start()
        await informer.wait_until(partial(operator.not_, informer.objects), 60.0)
        await informer.stop()


async def test_one_report_is_made_of_all_shards(site: Site) -> None:
    """And the exit code is a failed run's; output is shown with its shard; nothing is left."""
    site.write("assert number != 4, 'four is not right'")
    done = await command(site, "--shards=3", "--into=reports/all", ".", "--boards=sim")
    output = (await done.communicate())[0].decode()
    assert done.returncode == 1, output
    tests = {test.name: test.outcome for test in iterate_run(site.folder / "reports" / "all", histories=False)}
    assert tests == {
        f"test_suite.py::test_a_board_connects[{number}]": "failed" if number == 4 else "passed" for number in range(6)
    }
    assert "5 passed, 1 failed" in output
    assert (site.folder / "reports" / "all" / "index.html").is_file()
    assert "[0] " in output
    assert "AssertionError: four is not right" in output
    assert sorted(site.node.exec_calls) == ["fetch"] * 3 + ["release"] * 3
    await gone(site)
    assert list((site.folder / "reports").glob(".wasmbed-run-*")) == []


async def test_a_suite_that_passes_has_exit_code_0(site: Site) -> None:
    """Also where a shard has no test: pytest's own code for that is 5."""
    done = await command(site, "--shards=2", ".", "--boards=sim", "-k", "0")
    output = (await done.communicate())[0].decode()
    assert done.returncode == 0, output
    assert "ended with exit code 5, its results are here" in output
    assert "1 passed" in output


async def test_a_full_disk_here_ends_the_run(site: Site) -> None:
    done = await command(site, "--shards=1", ".", "--boards=sim", largest=1000)
    output = (await done.communicate())[0].decode()
    assert done.returncode == 3, output
    assert "0.tar.gz: cannot be written: File too large" in output
    assert "free disk space" in output
    await gone(site)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_end_by_a_signal_leaves_nothing(site: Site, number: signal.Signals) -> None:
    site.write("import asyncio; print('now', flush=True); await asyncio.Event().wait()")
    running = await command(site, "--shards=2", ".", "--boards=virtual", "-s")
    assert running.stdout is not None
    while b"now" not in (line := await running.stdout.readline()):
        assert line
    running.send_signal(number)
    output = (await running.communicate())[0].decode()
    assert running.returncode == 130, output
    await gone(site)
    assert all(container.ended for container in site.node.containers.values())


async def test_a_shard_that_dies_is_told_and_the_others_count(site: Site) -> None:
    """Its pod is out of memory; what it has printed is shown."""
    site.write("if number == 0: print('the last words', flush=True); import asyncio; await asyncio.Event().wait()")

    async def run_out(pod: Object) -> None:
        await site.node.run(pod, lambda container: b"last words" in container.printed and kill(container))

    site.node.start_pod = run_out
    shards = await site.run(".", "--boards=virtual", "-s").run()
    (dead,) = (shard for shard in shards if shard.trouble)
    assert "has no results: Error: exit code 137" in dead.trouble
    assert [shard.code for shard in shards if shard is not dead] == [0, 0]
    assert any("the last words" in line for line in site.told)
    await gone(site)


def waiting(node: Node, reason: str, message: str):
    """A pod whose container waits."""

    async def start(pod: Object) -> None:
        await node.bind(pod)
        state = {"waiting": {"reason": reason, "message": message}}
        container = {"name": "shard", "image": "", "imageID": "", "restartCount": 0, "ready": False, "state": state}
        await node.say(pod, phase="Pending", containerStatuses=[container])

    return start


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"])
async def test_an_image_that_is_not_there_ends_the_run(site: Site, reason: str) -> None:
    site.node.start_pod = waiting(site.node, reason, 'failed to pull "example/suite:1": not found')
    with pytest.raises(RigError, match=f'cannot start: {reason}: failed to pull "example/suite:1": not found') as told:
        await site.run().run()
    assert "--image" in str(told.value)
    await gone(site)


async def test_pods_without_a_node_are_told_with_the_schedulers_words(site: Site) -> None:
    async def stay(pod: Object) -> None:
        message = "0/1 nodes are available: 1 Insufficient cpu."
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        await site.node.say(pod, conditions=[condition])

    site.node.start_pod = stay
    with pytest.raises(RigError, match="no shard has started for 2 s: Unschedulable: 0/1 nodes are available") as told:
        await site.run(start_within=2.0).run()
    assert "--cpu" in str(told.value)
    await gone(site)


async def test_results_count_where_the_other_shards_get_no_node(site: Site) -> None:
    async def start(pod: Object) -> None:
        if index_of(pod) == 0:
            await site.node.run(pod)
            return
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}
        await site.node.say(pod, conditions=[condition])

    site.node.start_pod = start
    shards = await site.run(start_within=10.0).run()
    assert [shard.code for shard in shards] == [0, None, None]
    assert all("no shard has started for 10 s: Unschedulable: no node" in shard.trouble for shard in shards[1:])
    await gone(site)


async def test_a_quota_is_told_with_the_servers_words(site: Site) -> None:
    quota = Resource("", "v1", "resourcequotas", "ResourceQuota")
    made = await site.api.create(
        quota,
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "none"},
            "spec": {"hard": {"pods": "0"}},
        },
    )
    await site.api.patch_status(quota, "none", {"status": {"hard": made["spec"]["hard"], "used": {"pods": "0"}}})
    with pytest.raises(RigError, match=r"no shard has started .* exceeded quota: none"):
        await site.run(start_within=2.0).run()


async def test_an_evicted_pod_is_told_with_the_nodes_words(site: Site) -> None:
    async def evict(pod: Object) -> None:
        message = "The node was low on resource: ephemeral-storage."
        await site.node.bind(pod)
        await site.node.say(pod, phase="Failed", reason="Evicted", message=message)

    site.node.start_pod = evict
    shards = await site.run().run()
    for shard in shards:
        assert shard.trouble.startswith(f"shard {shard.index} has no results: Evicted: The node was low on resource")
        assert "free its disk" in shard.trouble


@asynccontextmanager
async def account(site: Site, *rights: Right) -> AsyncIterator[None]:
    """Runs the suite with these rights alone."""
    name, group = "runner", "rbac.authorization.k8s.io"
    made = {
        Resource("", "v1", "serviceaccounts", "ServiceAccount"): {},
        Resource(group, "v1", "roles", "Role"): {
            "rules": [
                {"apiGroups": [each.resource.group], "resources": [each.called], "verbs": each.verbs} for each in rights
            ]
        },
        Resource(group, "v1", "rolebindings", "RoleBinding"): {
            "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": site.api.namespace}],
        },
    }
    for kind, content in made.items():
        about = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}}
        await site.api.create(kind, about | content)
    path = f"/api/v1/namespaces/{site.api.namespace}/serviceaccounts/{name}/token"
    body = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}).encode()
    answer = await site.api.forward("POST", path, {"Content-Type": "application/json"}, body)
    config = yaml.safe_load(site.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": json.loads(await answer.read())["status"]["token"]}
    kubeconfig = site.folder / name
    kubeconfig.write_text(yaml.safe_dump(config))
    admin, site.api = site.api, await KubernetesApi.open(site.api.namespace, kubeconfig=kubeconfig)
    try:
        yield
    finally:
        await site.api.close()
        site.api = admin


async def test_credentials_without_rights_are_told_before_anything_is_made(site: Site) -> None:
    async with account(site):
        with pytest.raises(RigError, match=r"may not create/delete/list/watch jobs, .*create/get pods/exec") as told:
            await site.run().run()
    assert 'apiGroups: ["batch"]' in str(told.value)
    assert not site.node.containers


async def test_the_rights_that_are_asked_for_are_enough(site: Site) -> None:
    async with account(site, *RIGHTS):
        (shard,) = await site.run(".", "--boards=sim", shards=1).run()
    assert (shard.code, shard.trouble) == (0, "")
    assert any(line.startswith("[0] test_suite.py") for line in site.told)
    await gone(site)


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ({"cpu": "much"}, UsageError, "the cluster refused the Job: .*quantities must match"),
        ({"memory": "-1"}, UsageError, "the cluster refused the Job: .*must be greater than or equal to 0"),
    ],
)
async def test_a_job_that_is_refused(
    site: Site, arguments: dict[str, str], kind: type[HarnessError], says: str
) -> None:
    with pytest.raises(kind, match=says):
        await site.run(**arguments).run()


async def test_a_namespace_that_does_not_exist(site: Site) -> None:
    site.api.namespace = "elsewhere"
    with pytest.raises(UsageError, match="namespace elsewhere does not exist"):
        await site.run().run()


async def test_a_job_that_somebody_deletes_ends_the_run(site: Site) -> None:
    async def delete(pod: Object) -> None:
        await site.api.delete(JOB, pod["metadata"]["ownerReferences"][0]["name"], propagation="Orphan")

    site.node.start_pod = delete
    with pytest.raises(RigError, match="the Job was deleted"):
        await site.run(shards=1).run()


async def test_a_job_that_takes_too_long_is_told_with_the_clusters_words(site: Site) -> None:
    async def end(pod: Object) -> None:
        now = format_timestamp(SystemClock().now())
        failed = {"status": "True", "reason": "DeadlineExceeded", "message": "Job was active longer than its deadline"}
        conditions = [{"type": kind, "lastTransitionTime": now, **failed} for kind in ("FailureTarget", "Failed")]
        name = pod["metadata"]["ownerReferences"][0]["name"]
        await site.api.patch_status(JOB, name, {"status": {"startTime": now, "conditions": conditions}})

    site.node.start_pod = end
    (shard,) = await site.run(shards=1).run()
    assert "DeadlineExceeded: Job was active longer than its deadline" in shard.trouble
    assert "--within" in shard.trouble


async def test_a_connection_that_breaks_costs_no_results(site: Site) -> None:
    site.node.breaks = 1
    (shard,) = await site.run(".", "--boards=sim", shards=1).run()
    assert (shard.code, shard.trouble) == (0, "")
    assert site.node.exec_calls == ["fetch", "fetch", "release"]
    assert any("trying again" in line for line in site.told)

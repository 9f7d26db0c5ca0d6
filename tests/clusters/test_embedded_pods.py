"""Subresources of pods, and objects that every cluster has."""

from __future__ import annotations

import pytest

from harness.clusters.embedded.patches import MERGE_PATCH, STRATEGIC_PATCH

PODS = "/api/v1/namespaces/default/pods"
ONE = f"{PODS}/one"
POD = {"metadata": {"name": "one"}, "spec": {"containers": [{"name": "main", "image": "busybox:1"}]}}


async def test_a_debug_container_is_added_and_stays(api):
    await api("POST", PODS, POD)
    patch = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox", "targetContainerName": "main"}]}}
    changed = await api("PATCH", f"{ONE}/ephemeralcontainers", patch, STRATEGIC_PATCH)
    assert changed["spec"]["ephemeralContainers"][0]["imagePullPolicy"] == "Always"
    assert (await api("GET", f"{ONE}/ephemeralcontainers"))["spec"] == changed["spec"]
    assert {one.get("subresource") for one in changed["metadata"]["managedFields"]} == {None, "ephemeralcontainers"}
    gone = {"spec": {"ephemeralContainers": []}}
    assert (await api.refused("PATCH", ONE, gone, MERGE_PATCH))[0] == 422
    wrong = {"spec": {"ephemeralContainers": [{"name": "b", "image": "a", "targetContainerName": "none"}]}}
    _, _, status = await api.refused("PATCH", f"{ONE}/ephemeralcontainers", wrong, STRATEGIC_PATCH)
    assert status["details"]["causes"][0]["message"] == 'Not found: "none"'


async def test_logs_and_commands_of_a_pod_that_nothing_runs(api):
    await api("POST", PODS, POD)
    response = await api.ask("GET", f"{ONE}/log")
    assert (response.status, response.content.encode()) == (204, b"")
    for method, what, message in (
        ("GET", "one/log?container=none", "container none is not valid for pod one"),
        ("POST", "one/exec?command=date", "pod one does not have a host assigned"),
        ("POST", "one/portforward", "pod one does not have a host assigned"),
        ("GET", "two/log", 'pods "two" not found'),
    ):
        assert (await api.refused(method, f"{PODS}/{what}"))[2]["message"] == message


async def test_a_pod_is_bound_once_and_evicted(api):
    await api("POST", PODS, POD)
    binding = {"target": {"kind": "Node", "name": "n1"}}
    assert (await api("POST", f"{ONE}/binding", binding))["status"] == "Success"
    assert (await api("GET", ONE))["spec"]["nodeName"] == "n1"
    assert (await api.refused("POST", f"{ONE}/binding", binding))[0] == 409
    assert (await api.refused("GET", f"{ONE}/log"))[0] == 500
    await api("POST", f"{ONE}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "one"}})
    assert (await api.refused("GET", ONE))[0] == 404


async def test_a_disruption_budget_stops_evictions(api):
    budgets, eviction = "/apis/policy/v1/namespaces/default/poddisruptionbudgets", {"metadata": {"name": "one"}}
    labels = {"app": "web"}
    await api("POST", PODS, {**POD, "metadata": {"name": "one", "labels": labels}})
    running = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    await api("PATCH", f"{ONE}/status", running, MERGE_PATCH)
    budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}}}
    await api("POST", budgets, budget)
    code, _, status = await api.refused("POST", f"{ONE}/eviction", eviction)
    assert (code, status["details"]["retryAfterSeconds"]) == (429, 10)
    for allowed, expected in ((0, 429), (1, 201)):
        counted = {"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 2, "desiredHealthy": 1}
        await api("PATCH", f"{budgets}/b/status", {"status": counted}, MERGE_PATCH)
        assert (await api.ask("POST", f"{ONE}/eviction", eviction)).status == expected
    status = (await api("GET", f"{budgets}/b"))["status"]
    assert (status["disruptionsAllowed"], list(status["disruptedPods"])) == (0, ["one"])
    assert (await api.refused("GET", ONE))[0] == 404


async def test_services_get_addresses_and_node_ports(api):
    services, ports = "/api/v1/namespaces/default/services", [{"port": 80}]
    made = [
        await api("POST", services, {"metadata": {"name": name}, "spec": {"type": "NodePort", "ports": ports}})
        for name in ("a", "b")
    ]
    addresses, numbers = (
        {one["spec"]["clusterIP"] for one in made},
        {one["spec"]["ports"][0]["nodePort"] for one in made},
    )
    assert (len(addresses), len(numbers)) == (2, 2)
    assert all(30_000 <= number < 32_768 for number in numbers)
    assert made[0]["spec"]["clusterIPs"] == [made[0]["spec"]["clusterIP"]]
    again = {"type": "NodePort", "ports": [{"port": 80, "nodePort": made[0]["spec"]["ports"][0]["nodePort"]}]}
    _, _, status = await api.refused("POST", services, {"metadata": {"name": "c"}, "spec": again})
    assert "provided port is already allocated" in status["message"]
    address = {"clusterIP": made[0]["spec"]["clusterIP"], "ports": ports}
    _, _, status = await api.refused("POST", services, {"metadata": {"name": "c"}, "spec": address})
    assert "provided IP is already allocated" in status["message"]
    plain = await api("PATCH", f"{services}/a", {"spec": {"type": "ClusterIP"}}, MERGE_PATCH)
    assert plain["spec"]["clusterIP"] == made[0]["spec"]["clusterIP"]
    assert "nodePort" not in plain["spec"]["ports"][0]
    owned = [entry["fieldsV1"]["f:spec"] for entry in plain["metadata"]["managedFields"]]
    assert not any("f:clusterIP" in spec for spec in owned)


async def test_the_systems_classes_of_priority_are_there(api):
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    values = {one["metadata"]["name"]: one["value"] for one in (await api("GET", classes))["items"]}
    assert values == {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
    code, _, _ = await api.refused("POST", classes, {"metadata": {"name": "system-mine"}, "value": 1})
    assert code == 422


async def test_api_services_are_those_that_are_served(api):
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    names = {one["metadata"]["name"] for one in (await api("GET", path))["items"]}
    assert {"v1.", "v1.apps", "v2.autoscaling", "v1.example.org"} <= names
    await api("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org")
    assert (await api.refused("GET", f"{path}/v1.example.org"))[0] == 404
    assert (await api("GET", f"{path}/v1.apps"))["status"]["conditions"][0]["reason"] == "Local"


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_an_autoscaler_has_two_versions(api, version):
    place = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    await api(
        "POST", place.format(version), {"metadata": {"name": "a"}, "spec": {"scaleTargetRef": target, "maxReplicas": 2}}
    )
    assert (await api("GET", place.format("v1") + "/a"))["spec"]["targetCPUUtilizationPercentage"] == 80
    (metric,) = (await api("GET", place.format("v2") + "/a"))["spec"]["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 80}
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
    }
    behavior = {"scaleUp": {"selectPolicy": "Min"}}
    await api("PATCH", place.format("v2") + "/a", {"spec": {"metrics": [memory], "behavior": behavior}}, MERGE_PATCH)
    await api("PATCH", place.format("v1") + "/a", {"spec": {"maxReplicas": 3}}, MERGE_PATCH)
    spec = (await api("GET", place.format("v2") + "/a"))["spec"]
    assert (spec["maxReplicas"], spec["metrics"]) == (3, [memory])
    assert spec["behavior"]["scaleUp"]["selectPolicy"] == "Min"

"""Built-in kinds: fields, defaults, what is refused, and how; names and columns of the table."""

from __future__ import annotations

import pytest

from harness.clusters.embedded.builtin import built_in_types
from harness.clusters.embedded.kinds.table import kinds
from harness.clusters.embedded.patches import MERGE_PATCH, STRATEGIC_PATCH

POD = {"containers": [{"name": "main", "image": "busybox"}]}
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": POD}
WORKLOAD = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
MAPS = "/api/v1/namespaces/default/configmaps"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
ROLES = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"


def test_every_kind_has_a_schema_and_columns():
    for served in built_in_types():
        schema = served.schema.raw
        assert schema["properties"]["metadata"], served.name
        assert served.columns, served.name
        assert served.blank == served.blank


def test_names_are_served_once():
    names = [(served.group, served.version, served.plural) for served in kinds()]
    assert len(set(names)) == len(names)


def test_every_kind_is_described():
    assert [served.kind for served in kinds() if not served.schema.raw.get("description")] == []


async def test_a_deployment_has_the_defaults_of_kubernetes(api):
    made = await api("POST", DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": WORKLOAD})
    spec = made["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
    assert (spec["replicas"], spec["progressDeadlineSeconds"], spec["revisionHistoryLimit"]) == (1, 600, 10)
    inside = spec["template"]["spec"]
    assert (inside["restartPolicy"], inside["dnsPolicy"]) == ("Always", "ClusterFirst")
    assert inside["containers"][0]["imagePullPolicy"] == "Always"
    assert made["status"] == {}
    assert made["metadata"]["generation"] == 1


async def test_the_scale_of_a_workload_has_its_selector_as_a_query(api):
    await api("POST", DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": WORKLOAD})
    assert (await api("GET", f"{DEPLOYMENTS}/web/scale"))["status"] == {"replicas": 0, "selector": "app=web"}
    scaled = await api("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 3}}, MERGE_PATCH)
    assert scaled["spec"] == {"replicas": 3}


async def test_defaults_are_not_written_again(api):
    await api("POST", DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": WORKLOAD})
    before = api.server.version
    await api("PATCH", f"{DEPLOYMENTS}/web", {"spec": {"replicas": 1}}, MERGE_PATCH)
    assert api.server.version == before
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "a:1"}]}}}}
    changed = await api("PATCH", f"{DEPLOYMENTS}/web", patch, STRATEGIC_PATCH)
    policies = {one["name"]: one["imagePullPolicy"] for one in changed["spec"]["template"]["spec"]["containers"]}
    assert policies == {"side": "IfNotPresent", "main": "Always"}
    assert changed["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (DEPLOYMENTS, {"spec": {"replicas": "3"}}, "json: cannot unmarshal string into Go struct field "
         "DeploymentSpec.spec.replicas of type int32"),
        (DEPLOYMENTS, {"spec": []}, "json: cannot unmarshal array into Go struct field Deployment.spec of type "
         "v1.DeploymentSpec"),
        (MAPS, {"data": {"a": 1}}, "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        (MAPS, {"binaryData": {"a": "***"}}, "illegal base64 data at input byte 0"),
        (MAPS, {"metadata": {"name": "x", "labels": {"a": 1}}}, "json: cannot unmarshal number into Go struct field "
         "ObjectMeta.metadata.labels of type string"),
        (LEASES, {"spec": {"renewTime": "2026-01-01T00:00:00Z"}}, 'parsing time "2026-01-01T00:00:00Z" as '
         '"2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"'),
        (LEASES, {"spec": {"renewTime": "2026-01-01T00:00:00.123Z"}}, 'cannot parse ".123Z" as ".000000"'),
    ],
)  # fmt: skip
async def test_what_cannot_be_decoded_is_said_in_gos_words(api, path, body, message):
    code, reason, status = await api.refused("POST", path, {"metadata": {"name": "x"}, **body})
    assert (code, reason) == (400, "BadRequest")
    assert status["message"].endswith(message)


@pytest.mark.parametrize(
    ("path", "body", "causes"),
    [
        ("/api/v1/namespaces/default/pods", {}, {"spec.containers": "Required value"}),
        ("/api/v1/namespaces/default/services", {"spec": {"ports": [{"port": 0}], "clusterIP": "None"}}, {
            "spec.ports[0].port": "Invalid value: 0: must be between 1 and 65535, inclusive",
            "spec.ports[0].targetPort": "Invalid value: 0: must be between 1 and 65535, inclusive"}),
        (DEPLOYMENTS, {"spec": {**WORKLOAD, "replicas": -1}}, {
            "spec.replicas": "Invalid value: -1: must be greater than or equal to 0"}),
        ("/apis/batch/v1/namespaces/default/jobs", {"spec": {"template": {"spec": POD}}}, {
            "spec.template.spec.restartPolicy": 'Required value: valid values: "OnFailure", "Never"'}),
        (BUDGETS, {"spec": {"minAvailable": 1, "maxUnavailable": 1}}, {
            "spec": 'Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":1,'
                    '"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set'}),
        (ROLES, {"rules": [{"apiGroups": [""], "resources": ["a"]}]}, {
            "rules[0].verbs": "Required value: verbs must contain at least one value"}),
        ("/apis/storage.k8s.io/v1/storageclasses", {"provisioner": "a", "reclaimPolicy": "Burn"}, {
            "reclaimPolicy": 'Unsupported value: "Burn": supported values: "Delete", "Retain"'}),
        (LEASES, {"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}}, {
            "spec.leaseDurationSeconds": "Invalid value: 0: must be greater than 0",
            "spec.leaseTransitions": "Invalid value: -1: must be greater than or equal to 0"}),
    ],
)  # fmt: skip
async def test_what_is_refused_names_its_fields(api, path, body, causes):
    code, _, status = await api.refused("POST", path, {"metadata": {"name": "x"}, **body})
    assert code == 422
    assert {cause["field"]: cause["message"] for cause in status["details"]["causes"]} == causes


async def test_a_lease_is_stored_in_utc_with_microseconds(api):
    spec = {"holderIdentity": "a", "renewTime": "2026-01-01T01:00:00.123456+01:00", "preferredHolder": "b"}
    made = await api("POST", LEASES, {"metadata": {"name": "x"}, "spec": spec})
    assert made["spec"] == {"holderIdentity": "a", "renewTime": "2026-01-01T00:00:00.123456Z"}


async def test_a_put_creates_where_kubernetes_creates(api):
    made = await api.ask("PUT", f"{LEASES}/x", {"metadata": {"name": "x"}, "spec": {}})
    assert made.status == 201
    assert (await api.refused("PUT", f"{MAPS}/x", {"metadata": {"name": "x"}}))[0] == 404
    code, _, status = await api.refused("PUT", f"{LEASES}/y", {"metadata": {"name": "y", "uid": "abc"}, "spec": {}})
    assert (code, "Precondition failed: UID in precondition: abc" in status["message"]) == (409, True)
    assert (await api.refused("PUT", f"{LEASES}/y", {"metadata": {"name": "z"}}))[0] == 400
    assert (await api.refused("PUT", f"{LEASES}/y", {"metadata": {}}))[2]["message"].endswith("name must be provided")


async def test_bindings_are_completed_and_keep_their_role(api):
    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"
    body = {
        "metadata": {"name": "b"},
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [{"kind": "User", "name": "jane"}],
    }
    made = await api("POST", path, body)
    assert made["roleRef"]["apiGroup"] == made["subjects"][0]["apiGroup"] == "rbac.authorization.k8s.io"
    other = {**made, "roleRef": {**made["roleRef"], "name": "other"}}
    assert "cannot change roleRef" in (await api.refused("PUT", f"{path}/b", other))[2]["message"]


async def test_a_job_finds_its_pods_by_its_uid(api):
    path = "/apis/batch/v1/namespaces/default/jobs"
    spec = {"template": {"spec": {**POD, "restartPolicy": "Never"}}}
    made = await api("POST", path, {"metadata": {"name": "j"}, "spec": spec})
    uid = made["metadata"]["uid"]
    assert made["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert made["spec"]["template"]["metadata"]["labels"]["job-name"] == "j"


async def test_empty_maps_are_left_out_and_items_of_a_list_have_no_kind(api):
    await api("POST", MAPS, {"metadata": {"name": "x"}, "data": {"a": "b"}})
    assert "data" not in await api("PATCH", f"{MAPS}/x", {"data": {"a": None}}, MERGE_PATCH)
    listed = await api("GET", MAPS)
    assert (listed["kind"], "kind" in listed["items"][0]) == ("ConfigMapList", False)


async def test_null_in_a_map_of_texts_is_an_empty_text(api):
    made = await api("POST", MAPS, {"metadata": {"name": "a", "labels": {"b": None}}, "data": {"c": None}})
    assert (made["metadata"]["labels"], made["data"]) == ({"b": ""}, {"c": ""})


async def test_data_of_more_than_a_mebibyte_is_refused(api):
    body = {"metadata": {"name": "x"}, "data": {"a": "x" * (1 << 20)}}
    await api("POST", MAPS, body)
    body["data"]["b"] = "y"
    code, _, status = await api.refused("PUT", f"{MAPS}/x", body)
    assert (code, "may not be more than 1048576 bytes" in status["message"]) == (422, True)


async def test_tables_of_built_in_kinds(api):
    await api("POST", DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": WORKLOAD})
    answer = await api.ask("GET", DEPLOYMENTS, accept="application/json;as=Table;g=meta.k8s.io;v=v1")
    table = answer.content.value()
    columns = [column["name"] for column in table["columnDefinitions"]]
    row = dict(zip(columns, table["rows"][0]["cells"], strict=True))
    assert (row["Name"], row["Ready"], row["Images"], row["Selector"]) == ("web", "0/1", "busybox", "app=web")


SCALED = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3}
JOB = {"template": {"spec": {**POD, "restartPolicy": "Never"}}}
OTHER_LABELS = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]}]}


@pytest.mark.parametrize(
    ("path", "body", "cells"),
    [
        (BUDGETS, {"spec": {"minAvailable": "50%"}}, {"Min Available": "50%", "Max Unavailable": "N/A"}),
        (
            "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
            {"spec": SCALED},
            {"Reference": "Deployment/web", "Targets": "cpu: <unknown>/80%", "MinPods": "1"},
        ),
        (
            "/apis/batch/v1/namespaces/default/cronjobs",
            {"spec": {"schedule": "@daily", "jobTemplate": {"spec": JOB}}},
            {"Suspend": "False", "Timezone": "<none>", "Last Schedule": "<none>"},
        ),
        ("/apis/batch/v1/namespaces/default/jobs", {"spec": {**JOB, "parallelism": 2}}, {"Completions": "0/1 of 2"}),
        (
            "/api/v1/namespaces/default/persistentvolumeclaims",
            {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
            {"Status": "Pending", "Volume": "", "Capacity": "", "Access Modes": ""},
        ),
        (
            "/api/v1/namespaces/default/services",
            {"spec": {"clusterIP": "None", "ports": [{"port": 80}], "externalIPs": ["10.1.2.3"]}},
            {"External-IP": "10.1.2.3", "Port(s)": "80/TCP"},
        ),
        (
            "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
            {"spec": {"podSelector": OTHER_LABELS}},
            {"Pod-Selector": "a in (b,c)"},
        ),
    ],
)
async def test_cells_say_what_kubernetes_says(api, path, body, cells):
    await api("POST", path, {"metadata": {"name": "one"}, **body})
    table = await api.ask("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    shown = table.content.value()
    names = [column["name"] for column in shown["columnDefinitions"]]
    row = dict(zip(names, shown["rows"][0]["cells"], strict=True))
    assert {name: row[name] for name in cells} == cells


async def test_a_role_shows_when_it_was_made_and_not_its_age(api):
    made = await api("POST", ROLES, {"metadata": {"name": "one"}, "rules": []})
    table = await api.ask("GET", f"{ROLES}/one", accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert table.content.value()["rows"][0]["cells"] == ["one", made["metadata"]["creationTimestamp"]]

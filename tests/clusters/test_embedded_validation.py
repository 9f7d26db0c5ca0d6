"""Wrong objects of built-in kinds are refused in Kubernetes' words; the theme ``validation`` has them all."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clusters.embedded.kinds.schedules import schedule_problem, zone_problem
from harness.clusters.embedded.messages import Request
from harness.clusters.embedded.patches import MERGE_PATCH
from harness.clusters.embedded.protobuf import PROTOBUF
from harness.clusters.embedded.server import ApiServer
from harness.core.clock import ManualClock
from harness.core.identifiers import Randomness
from tests.clusters.differential.themes import kinds, tables, validation

PODS = "/api/v1/namespaces/default/pods"
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
SERVICES = "/api/v1/namespaces/default/services"
NETWORKING = "/apis/networking.k8s.io/v1/namespaces/default"
MAIN = {"name": "main", "image": "busybox:1"}
JOB = {"template": {"spec": {"containers": [MAIN], "restartPolicy": "Never"}}}
CRON = {"schedule": "@daily", "jobTemplate": {"spec": JOB}}


def container(**more):
    return {"containers": [{**MAIN, **more}]}


def path(**more):
    return {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", **more}]}}]}


def peer(**block):
    return {"podSelector": {}, "ingress": [{"from": [{"ipBlock": block}]}]}


def claim(**more):
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **more}


@pytest.mark.parametrize(
    ("where", "spec", "field", "message"),
    [
        (
            PODS,
            container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1000m"}}),
            "spec.containers[0].resources.requests",
            'Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        (
            PODS,
            container(resources={"limits": {"memory": "-1"}}),
            "spec.containers[0].resources.limits[memory]",
            'Invalid value: "-1": must be greater than or equal to 0',
        ),
        (PODS, container(livenessProbe={}), "spec.containers[0].livenessProbe", "must specify a handler type"),
        (PODS, container(env=[{"name": "a=b"}]), "spec.containers[0].env[0].name", "printable ASCII"),
        (PODS, {**container(), "nodeSelector": {"a b": "c"}}, "spec.nodeSelector", "name part must consist"),
        (CLAIMS, claim(accessModes=["Some"]), "spec.accessModes", 'Unsupported value: "Some"'),
        (
            CLAIMS,
            claim(resources={"requests": {"storage": "-1Gi"}}),
            "spec.resources[storage]",
            'Invalid value: "-1Gi": must be greater than zero',
        ),
        (SERVICES, {"clusterIP": "x", "ports": [{"port": 80}]}, "spec.clusterIPs[0]", "must be a valid IP address"),
        (f"{NETWORKING}/ingresses", path(backend={}), "spec.rules[0].http.paths[0].backend", "backend is required"),
        (
            f"{NETWORKING}/ingresses",
            {"rules": [{"host": "10.0.0.1"}]},
            "spec.rules[0].host",
            'Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
        ),
        (
            f"{NETWORKING}/networkpolicies",
            {"podSelector": {}, "policyTypes": ["Sideways"]},
            "spec.policyTypes[0]",
            'Unsupported value: "Sideways": supported values: "Ingress", "Egress"',
        ),
        (
            f"{NETWORKING}/networkpolicies",
            {"podSelector": {}, "ingress": [{"ports": [{"port": 0}]}]},
            "spec.ingress[0].ports[0].port",
            "Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (
            f"{NETWORKING}/networkpolicies",
            peer(cidr="10.0.0.0"),
            "spec.ingress[0].from[0].ipBlock.cidr",
            "must be a valid CIDR value",
        ),
        (
            f"{NETWORKING}/networkpolicies",
            peer(cidr="10.0.0.0/8", **{"except": ["11.0.0.0/16"]}),
            "spec.ingress[0].from[0].ipBlock.except[0]",
            "must be a strict subset of `cidr`",
        ),
        (
            "/apis/batch/v1/namespaces/default/cronjobs",
            {**CRON, "schedule": "60 * * * *"},
            "spec.schedule",
            'Invalid value: "60 * * * *": end of range (60) above maximum (59): 60',
        ),
        (
            "/apis/batch/v1/namespaces/default/cronjobs",
            {**CRON, "timeZone": ""},
            "spec.timeZone",
            "timeZone must be nil or non-empty string",
        ),
        (
            "/api/v1/namespaces/default/resourcequotas",
            {"hard": {"pods": "1.5"}},
            "spec.hard[pods]",
            'Invalid value: "1500m": must be an integer',
        ),
        (
            "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
            {"minAvailable": "110%"},
            "spec.minAvailable",
            "must not be greater than 100%",
        ),
    ],
)
async def test_a_wrong_object_is_refused(api, where, spec, field, message):
    code, _, status = await api.refused("POST", where, {"metadata": {"name": "one"}, "spec": spec})
    assert code == 422
    causes = status["details"]["causes"]
    assert any(cause["field"] == field and message in cause["message"] for cause in causes), causes


@pytest.mark.parametrize(
    ("kind", "body", "changed", "field"),
    [
        (PODS, {"spec": container()}, container(image="other:1", command=["a"]), "spec"),
        (CLAIMS, {"spec": claim()}, {"accessModes": ["ReadWriteMany"]}, "spec"),
        (CLAIMS, {"spec": claim()}, {"resources": {"requests": {"storage": "2Gi"}}}, "spec"),
        (SERVICES, {"spec": {"clusterIP": "None", "ports": [{"port": 80}]}}, {"clusterIP": "10.0.0.1"}, "clusterIPs"),
        ("/apis/batch/v1/namespaces/default/jobs", {"spec": JOB}, {"completions": 5}, "spec.completions"),
    ],
)
async def test_what_stays_cannot_be_changed(api, kind, body, changed, field):
    await api("POST", kind, {"metadata": {"name": "one"}, **body})
    code, _, status = await api.refused("PATCH", f"{kind}/one", {"spec": changed}, MERGE_PATCH)
    assert code == 422
    assert any(field in cause["field"] for cause in status["details"]["causes"]), status


async def test_the_image_of_a_pod_can_be_changed(api):
    await api("POST", PODS, {"metadata": {"name": "one"}, "spec": container()})
    changed = await api("PATCH", f"{PODS}/one", {"spec": container(image="other:1")}, MERGE_PATCH)
    assert changed["spec"]["containers"][0]["image"] == "other:1"


async def test_a_claim_that_is_bound_may_grow(api):
    await api("POST", CLAIMS, {"metadata": {"name": "one"}, "spec": claim()})
    await api("PATCH", f"{CLAIMS}/one/status", {"status": {"phase": "Bound"}}, MERGE_PATCH)
    changed = await api(
        "PATCH", f"{CLAIMS}/one", {"spec": claim(resources={"requests": {"storage": "2Gi"}})}, MERGE_PATCH
    )
    assert changed["spec"]["resources"]["requests"]["storage"] == "2Gi"


async def test_a_service_loses_its_address_with_its_type(api):
    await api("POST", SERVICES, {"metadata": {"name": "one"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})
    named = {"spec": {"type": "ExternalName", "externalName": "example.org"}}
    changed = await api("PATCH", f"{SERVICES}/one", named, MERGE_PATCH)
    assert not {"clusterIP", "clusterIPs", "ipFamilies"} & changed["spec"].keys()


async def test_a_node_comes_with_its_status(api):
    node = {"metadata": {"name": "one"}, "status": {"capacity": {"cpu": "4000m"}}}
    assert (await api("POST", "/api/v1/nodes", node))["status"]["allocatable"] == {"cpu": "4"}


@pytest.mark.parametrize(
    "text", ["*/5 * * * *", "0-59/5 1,2 ? JAN mon-FRI", "@every 1h30m", "@hourly", "TZ=UTC 1 * * * *"]
)
def test_a_schedule(text):
    assert schedule_problem(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("* * * * x", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
        ("@often", "unrecognized descriptor: @often"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
        ("* * *", "expected exactly 5 fields, found 3: [* * *]"),
    ],
)
def test_what_is_not_a_schedule(text, problem):
    assert schedule_problem(text) == problem


def test_time_zones():
    assert zone_problem("UTC") is None
    assert zone_problem("Europe/Rome") is None
    assert "explicit time zone" in (zone_problem("Local") or "")
    assert zone_problem("") == "timeZone must be nil or non-empty string"


SERVER = ApiServer(ManualClock(), Randomness(1))
BODIES = [
    (request.path.partition("?")[0].replace("$NS", "default"), request.body)
    for theme in (kinds.THEME, validation.THEME, tables.THEME)
    for request in theme.requests
    if request.method == "POST" and isinstance(request.body, dict)
]
ODD = [None, "", 0, -1, [], {}, "x", [None], {"a": None}, 1.5, True, [{}], [[]], {"x": "y"}, 10**12, "1Gi", "a b", "*"]


def places(value, here=()):
    """The paths of all values inside of a value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in members:
        yield (*here, key)
        yield from places(item, (*here, key))


@given(st.sampled_from(BODIES), st.integers(0, 10_000), st.sampled_from(ODD))
def test_an_odd_value_anywhere_is_judged_and_breaks_nothing(chosen, number, odd):
    path, body = chosen[0], orjson.loads(orjson.dumps(chosen[1]))
    found = list(places(body))
    *above, last = found[number % len(found)]
    holder = body
    for key in above:
        holder = holder[key]
    holder[last] = odd
    headers = {"content-type": "application/json", "accept": PROTOBUF}
    answer = SERVER.answer(Request("POST", path, {"dryRun": "All"}, headers, orjson.dumps(body)))
    assert answer.status in (201, 400, 404, 422), answer.content.encode()

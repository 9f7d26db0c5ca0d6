"""Objects that every cluster has, and the subresources of pods and Services."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.clusters.differential.requests import Request, Theme, delete, get, patch, post, prepare, put

_PODS = "/api/v1/namespaces/$NS/pods"
_CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
_BUDGETS = "/apis/policy/v1/namespaces/$NS/poddisruptionbudgets"
_SERVICES = "/api/v1/namespaces/$NS/services"
_APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
_POD: dict[str, Any] = {
    "metadata": {"name": "one"}, "spec": {"containers": [{"name": "main", "image": "busybox:1"}]},
}  # fmt: skip
_DEBUG = {"name": "debug", "image": "busybox:1", "targetContainerName": "main"}

_DIFF = "the refusal does not show the difference between the pods as Go keeps them"
_KEPT = "a field that the server puts back stays with its manager"
_DROPPED = "a field that the server drops belongs to nobody"
_WORDS = "descriptions are in our own words"


def _evictions() -> list[Request]:
    """Evictions of a pod that runs, as its disruption budgets change."""
    evict = post(
        "evict",
        f"{_PODS}/guarded/eviction",
        {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "guarded"}},
    )
    guarded = {"metadata": {"name": "guarded", "labels": {"app": "web"}}, "spec": _POD["spec"]}
    running = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}

    def state(allowed: int, generation: int = 1) -> Request:
        counts = {"disruptionsAllowed": allowed, "currentHealthy": 2, "desiredHealthy": 2, "expectedPods": 2}
        status = {"status": {**counts, "observedGeneration": generation}}
        return patch("counted", f"{_BUDGETS}/one/status", status, until=(200,))

    def budget(name: str) -> Request:
        spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
        return post(f"a budget {name}", _BUDGETS, {"metadata": {"name": name}, "spec": spec}, until=(201,))

    return [
        *prepare(post("a pod", _PODS, guarded, until=(201,)), budget("one")),
        *prepare(patch("it runs", f"{_PODS}/guarded/status", running, "strategic", until=(200,))),
        replace(evict, name="evict: a budget that nobody has counted"),
        *prepare(state(0)),
        replace(evict, name="evict: none may go"),
        replace(evict, name="evict: none may go, tried", path=f"{evict.path}?dryRun=All"),
        *prepare(state(1), budget("two")),
        replace(evict, name="evict: two budgets"),
        *prepare(delete("one budget", f"{_BUDGETS}/two", until=(200,))),
        replace(evict, name="evict: one may go"),
        get("the budget afterwards", f"{_BUDGETS}/one"),
    ]


def _addresses() -> list[Request]:
    """Services that get addresses and node ports."""
    ports = [{"port": 80}]

    def made(name: str, **spec: Any) -> Request:
        return post(f"addresses: {name}", _SERVICES, {"metadata": {"name": name}, "spec": {"ports": ports, **spec}})

    found = [
        made("plain"),
        made("nodes", type="NodePort"),
        made("balanced", type="LoadBalancer"),
        made("local", type="NodePort", externalTrafficPolicy="Local"),
        made("low", type="NodePort", ports=[{"port": 80, "nodePort": 80}]),
        made("taken", clusterIP="10.0.0.1"),
        patch("addresses: plain becomes one of nodes", f"{_SERVICES}/plain", {"spec": {"type": "NodePort"}}),
        patch("addresses: and plain again", f"{_SERVICES}/plain", {"spec": {"type": "ClusterIP"}}, stays=_DROPPED),
        patch("addresses: another port", f"{_SERVICES}/nodes", {"spec": {"ports": [{"port": 81}]}}),
        patch(
            "addresses: a name",
            f"{_SERVICES}/balanced",
            {"spec": {"type": "ExternalName", "externalName": "a.org"}},
            stays=_DROPPED,
        ),
    ]
    return [replace(request, varies=("body.spec.clusterIP", "body.spec.ports[0].nodePort")) for request in found]


THEME = Theme(
    "objects",
    "Objects that every cluster has, and subresources",
    [
        get("classes of priority", _CLASSES, stays=_WORDS),
        get("a class of priority of the system", f"{_CLASSES}/system-node-critical", stays=_WORDS),
        patch("change a class of the system", f"{_CLASSES}/system-node-critical?dryRun=All", {"value": 5}),
        get("the group of API services", "/apis/apiregistration.k8s.io"),
        get("resources of API services", "/apis/apiregistration.k8s.io/v1"),
        get("an API service", f"{_APISERVICES}/v1.apps"),
        get("the API service of the core", f"{_APISERVICES}/v1."),
        get("the API service of another version", f"{_APISERVICES}/v2.autoscaling"),
        get("an API service that is not there", f"{_APISERVICES}/v1.nothing"),
        get(
            "a Table of API services",
            f"{_APISERVICES}/v1.apps?includeObject=None",
            headers=_TABLE,
            without=".description",
        ),
        *prepare(post("a pod", _PODS, _POD, until=(201,))),
        get("no ephemeral containers", f"{_PODS}/one/ephemeralcontainers"),
        patch(
            "an ephemeral container",
            f"{_PODS}/one/ephemeralcontainers",
            {"spec": {"ephemeralContainers": [_DEBUG]}},
            "strategic",
        ),
        get("ephemeral containers", f"{_PODS}/one/ephemeralcontainers"),
        patch(
            "an ephemeral container of no container",
            f"{_PODS}/one/ephemeralcontainers",
            {"spec": {"ephemeralContainers": [{**_DEBUG, "name": "more", "targetContainerName": "none"}]}},
            "strategic",
        ),
        patch(
            "an ephemeral container through the pod", f"{_PODS}/one", {"spec": {"ephemeralContainers": []}}, stays=_DIFF
        ),
        get("the log of a pod on no node", f"{_PODS}/one/log", stays="an answer without a body has a content type"),
        get("the log of a container that is not there", f"{_PODS}/one/log?container=none"),
        get("the log of a pod that is not there", f"{_PODS}/two/log"),
        post("exec in a pod on no node", f"{_PODS}/one/exec?command=date&stdout=true", {}),
        post("exec without a command", f"{_PODS}/one/exec", {}),
        post("exec in a pod that is not there", f"{_PODS}/two/exec?command=date&stdout=true", {}),
        post("attach to a pod on no node", f"{_PODS}/one/attach?stdout=true", {}),
        post("a forwarded port", f"{_PODS}/one/portforward", {}),
        post(
            "evict",
            f"{_PODS}/one/eviction?dryRun=All",
            {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "one"}},
        ),
        post(
            "bind",
            f"{_PODS}/one/binding?dryRun=All",
            {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": "one"},
                "target": {"kind": "Node", "name": "n"},
            },
        ),
        put("a pod's status", f"{_PODS}/one/status", {**_POD, "status": {"phase": "Running"}}),
        *_evictions(),
        *_addresses(),
        *prepare(
            post(
                "a Service",
                _SERVICES,
                {
                    "metadata": {"name": "s"},
                    "spec": {"clusterIP": "None", "selector": {"a": "b"}, "ports": [{"port": 80}]},
                },
                until=(201,),
            )
        ),
        get("a Service", f"{_SERVICES}/s"),
        patch("a Service with another address", f"{_SERVICES}/s", {"spec": {"clusterIP": "10.0.0.9"}}),
        patch("a Service without its address", f"{_SERVICES}/s", {"spec": {"clusterIP": ""}}, stays=_KEPT),
        patch("a Service's ports", f"{_SERVICES}/s", {"spec": {"ports": [{"port": 81}]}}, stays=_KEPT),
    ],
)

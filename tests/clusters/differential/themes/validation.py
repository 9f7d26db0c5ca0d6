"""Built-in objects with a mistake that people make: what is refused, and in which words."""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import Request, Theme, post

_CONTAINER: dict[str, Any] = {"name": "main", "image": "busybox:1"}
_POD: dict[str, Any] = {"containers": [_CONTAINER]}
_LABELS = {"app": "web"}
_BACKEND: dict[str, Any] = {"service": {"name": "web", "port": {"number": 80}}}
_WORK: dict[str, Any] = {
    "selector": {"matchLabels": _LABELS},
    "template": {"metadata": {"labels": _LABELS}, "spec": _POD},
}
_JOB: dict[str, Any] = {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}
_PATHS = {
    "pods": "/api/v1/namespaces/$NS/pods",
    "services": "/api/v1/namespaces/$NS/services",
    "claims": "/api/v1/namespaces/$NS/persistentvolumeclaims",
    "volumes": "/api/v1/persistentvolumes",
    "quotas": "/api/v1/namespaces/$NS/resourcequotas",
    "ranges": "/api/v1/namespaces/$NS/limitranges",
    "nodes": "/api/v1/nodes",
    "endpoints": "/api/v1/namespaces/$NS/endpoints",
    "accounts": "/api/v1/namespaces/$NS/serviceaccounts",
    "deployments": "/apis/apps/v1/namespaces/$NS/deployments",
    "statefulsets": "/apis/apps/v1/namespaces/$NS/statefulsets",
    "daemonsets": "/apis/apps/v1/namespaces/$NS/daemonsets",
    "jobs": "/apis/batch/v1/namespaces/$NS/jobs",
    "cronjobs": "/apis/batch/v1/namespaces/$NS/cronjobs",
    "ingresses": "/apis/networking.k8s.io/v1/namespaces/$NS/ingresses",
    "policies": "/apis/networking.k8s.io/v1/namespaces/$NS/networkpolicies",
    "classes": "/apis/networking.k8s.io/v1/ingressclasses",
    "scalers": "/apis/autoscaling/v2/namespaces/$NS/horizontalpodautoscalers",
    "budgets": "/apis/policy/v1/namespaces/$NS/poddisruptionbudgets",
    "slices": "/apis/discovery.k8s.io/v1/namespaces/$NS/endpointslices",
    "priorities": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "storage": "/apis/storage.k8s.io/v1/storageclasses",
    "runtimes": "/apis/node.k8s.io/v1/runtimeclasses",
    "webhooks": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
}


_SCHEDULES = [
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * * 13 *",
    "* * * * 8",
    "*/0 * * * *",
    "5-1 * * * *",
    "a * * * *",
    "* * * JAN MON",
    "@daily",
    "@often",
    "@every 5m",
    "@every x",
    "* * * *",
    "* * * * * *",
    "",
    "TZ=UTC * * * * *",
    "CRON_TZ=UTC * * * * *",
    "1,2,x * * * *",
    "? * ? * ?",
    "1/2 * * * *",
    "* * 31 2 *",
    "0-59/5 * * * *",
    "* * L * *",
    "-1 * * * *",
    "1--2 * * * *",
    "*/5,*/x * * * *",
    "1/2/3 * * * *",
    "* * * FOO *",
    "100000000000000000000 * * * *",
]
_EMPTY = "an empty list is the same as none"
_STAYS = {
    "claims: a source of another kind": "a field that the server drops belongs to nobody",
    "ingresses: no rules": _EMPTY,
    "scalers: no policies of behaviour": _EMPTY,
    "slices: a name": "no warnings about single values",
    "endpoints: a bad address": "one fault is shown once",
}


def _new(what: str, fault: str, metadata: dict[str, Any] | None = None, **members: Any) -> Request:
    body = {"metadata": {"name": "made", **(metadata or {})}, **members}
    name = f"{what}: {fault}"
    return post(name, f"{_PATHS[what]}?dryRun=All", body, stays=_STAYS.get(name, ""))


def _container(**members: Any) -> dict[str, Any]:
    return {"containers": [{**_CONTAINER, **members}]}


def _pods() -> list[Request]:
    faults: dict[str, dict[str, Any]] = {
        "a request above its limit": _container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        "a negative request": _container(resources={"requests": {"cpu": "-1"}}),
        "a limit alone": _container(resources={"limits": {"cpu": "1"}}),
        "an unknown resource": _container(resources={"requests": {"apples": "1"}}),
        "a resource with a bad name": _container(resources={"requests": {"a b": "1"}}),
        "half a device": _container(resources={"limits": {"x.org/y": "1.5"}}),
        "a device requested without a limit": _container(resources={"requests": {"x.org/y": "1"}}),
        "a bad container name": {"containers": [{"name": "Main", "image": "a:1"}]},
        "a long container name": {"containers": [{"name": "a" * 64, "image": "a:1"}]},
        "no image": {"containers": [{"name": "main"}]},
        "an image with a space": {"containers": [{"name": "main", "image": " a:1"}]},
        "a wrong pull policy": _container(imagePullPolicy="Often"),
        "a port without a number": _container(ports=[{"name": "http"}]),
        "a bad port name": _container(ports=[{"containerPort": 80, "name": "HTTP_PORT_OF_MINE"}]),
        "two ports of one name": _container(
            ports=[{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]
        ),
        "a wrong protocol": _container(ports=[{"containerPort": 80, "protocol": "HTTP"}]),
        "a bad variable": _container(env=[{"name": "a=b", "value": "c"}]),
        "a variable without a name": _container(env=[{"value": "c"}]),
        "a variable with two sources": _container(
            env=[{"name": "a", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
        ),
        "a variable from nothing": _container(env=[{"name": "a", "valueFrom": {}}]),
        "a variable of an unknown field": _container(
            env=[{"name": "a", "valueFrom": {"fieldRef": {"fieldPath": "spec.color"}}}]
        ),
        "a mount without a path": {
            **_container(volumeMounts=[{"name": "v", "mountPath": ""}]), "volumes": [{"name": "v", "emptyDir": {}}],
        },
        "two mounts at one path": {
            **_container(volumeMounts=[{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/a"}]),
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
        "a volume without a source": {**_POD, "volumes": [{"name": "v"}]},
        "a volume with two sources": {**_POD, "volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]},
        "a volume with a bad name": {**_POD, "volumes": [{"name": "V v", "emptyDir": {}}]},
        "a folder of the host without a path": {**_POD, "volumes": [{"name": "v", "hostPath": {"path": ""}}]},
        "a claim without a name": {**_POD, "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": ""}}]},
        "a secret without a name": {**_POD, "volumes": [{"name": "v", "secret": {}}]},
        "a volume of a map without a name": {**_POD, "volumes": [{"name": "v", "configMap": {}}]},
        "a probe with nothing": _container(livenessProbe={}),
        "a probe with two handlers": _container(
            livenessProbe={"exec": {"command": ["a"]}, "tcpSocket": {"port": 80}}
        ),
        "a probe of port 0": _container(livenessProbe={"httpGet": {"port": 0}}),
        "a probe of a port with a bad name": _container(livenessProbe={"httpGet": {"port": "a b"}}),
        "a probe with negative times": _container(
            livenessProbe={"tcpSocket": {"port": 80}, "periodSeconds": -1, "initialDelaySeconds": -1}
        ),
        "two successes of a live one": _container(
            livenessProbe={"tcpSocket": {"port": 80}, "successThreshold": 2}
        ),
        "a wrong DNS policy": {**_POD, "dnsPolicy": "Some"},
        "no DNS and no configuration": {**_POD, "dnsPolicy": "None"},
        "a wrong operator of a toleration": {**_POD, "tolerations": [{"key": "a", "operator": "Is"}]},
        "a toleration of an effect": {**_POD, "tolerations": [{"key": "a", "effect": "NoWay"}]},
        "a toleration with a value that exists": {
            **_POD, "tolerations": [{"key": "a", "operator": "Exists", "value": "b"}],
        },
        "a bad label of a node": {**_POD, "nodeSelector": {"a b": "c"}},
        "a bad service account": {**_POD, "serviceAccountName": "A b"},
        "a bad node": {**_POD, "nodeName": "A b"},
        "a bad host name": {**_POD, "hostname": "a.b"},
        "a negative end": {**_POD, "activeDeadlineSeconds": 0},
        "a negative grace": {**_POD, "terminationGracePeriodSeconds": -1},
        "a root that is not root": {**_POD, "securityContext": {"runAsUser": -1}},
        "a port of the host": {**_container(ports=[{"containerPort": 80, "hostPort": 81}]), "hostNetwork": True},
        "an init container of the same name": {**_POD, "initContainers": [{"name": "main", "image": "a:1"}]},
        "a probe of an init container": {
            **_POD, "initContainers": [{"name": "i", "image": "a:1", "readinessProbe": {"tcpSocket": {"port": 80}}}],
        },
        "an affinity for nothing": {
            **_POD, "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": []}}},
        },
        "a spread without a key": {**_POD, "topologySpreadConstraints": [
            {"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Maybe"}]},
        "host aliases": {**_POD, "hostAliases": [{"ip": "x", "hostnames": ["a b"]}]},
        "a gate of readiness": {**_POD, "readinessGates": [{"conditionType": "a b"}]},
        "a lifecycle of nothing": _container(lifecycle={"preStop": {}}),
        "a termination policy": _container(terminationMessagePolicy="Never"),
        "an ephemeral container": {**_POD, "ephemeralContainers": [{"name": "e", "image": "a:1"}]},
    }  # fmt: skip
    return [_new("pods", name, spec=spec) for name, spec in faults.items()]


def _services() -> list[Request]:
    ports: list[dict[str, Any]] = [{"port": 80}]
    faults: dict[str, dict[str, Any]] = {
        "a port that is too high": {"ports": [{"port": 70000}], "clusterIP": "None"},
        "a wrong protocol": {"ports": [{"port": 80, "protocol": "HTTP"}], "clusterIP": "None"},
        "a target with a bad name": {"ports": [{"port": 80, "targetPort": "a b"}], "clusterIP": "None"},
        "two ports of one name": {"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}], "clusterIP": "None"},
        "one port twice": {"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}], "clusterIP": "None"},
        "a port with a bad name": {"ports": [{"name": "A_b", "port": 80}], "clusterIP": "None"},
        "a wrong affinity": {"ports": ports, "clusterIP": "None", "sessionAffinity": "Some"},
        "a bad selector": {"ports": ports, "clusterIP": "None", "selector": {"a b": "c"}},
        "an address that is none": {"ports": ports, "clusterIP": "x"},
        "an external name with an address": {"type": "ExternalName", "externalName": "a.org", "clusterIP": "10.0.0.1"},
        "a bad external name": {"type": "ExternalName", "externalName": "a b"},
        "a balancer without addresses": {"type": "LoadBalancer", "clusterIP": "None", "ports": ports},
        "a node port of one that has none": {"ports": [{"port": 80, "nodePort": 30080}], "clusterIP": "None"},
        "external addresses": {"ports": ports, "clusterIP": "None", "externalIPs": ["x", "127.0.0.1"]},
        "ranges of sources": {"ports": ports, "clusterIP": "None", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
        "families": {"ports": ports, "clusterIP": "None", "ipFamilies": ["IPv5"]},
        "a policy of families": {"ports": ports, "clusterIP": "None", "ipFamilyPolicy": "Some"},
        "a traffic policy": {"ports": ports, "clusterIP": "None", "internalTrafficPolicy": "Some"},
        "an external traffic policy": {"ports": ports, "clusterIP": "None", "externalTrafficPolicy": "Local"},
        "a headless one with a selector": {"ports": ports, "clusterIP": "None", "selector": _LABELS},
        "a headless one without ports": {"clusterIP": "None", "selector": _LABELS},
        "target port 0": {"ports": [{"port": 80, "targetPort": 0}], "clusterIP": "None"},
    }
    return [
        *(_new("services", name, spec=spec) for name, spec in faults.items()),
        _new("services", "a name with a digit first", {"name": "1a"}, spec={"ports": ports, "clusterIP": "None"}),
        _new("services", "a name with a dot", {"name": "a.b"}, spec={"ports": ports, "clusterIP": "None"}),
    ]


def _volumes() -> list[Request]:
    good: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    disk: dict[str, Any] = {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"},
    }  # fmt: skip
    kept = {"finalizers": ["kubernetes.io/pvc-protection"]}
    claims: dict[str, dict[str, Any]] = {
        "a wrong mode": {**good, "accessModes": ["ReadWriteSometimes"]},
        "a pod's mode beside others": {**good, "accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]},
        "less than nothing": {**good, "resources": {"requests": {"storage": "-1Gi"}}},
        "nothing": {**good, "resources": {"requests": {"storage": "0"}}},
        "a wrong volume mode": {**good, "volumeMode": "Tape"},
        "a bad class": {**good, "storageClassName": "A b"},
        "a bad selector": {**good, "selector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}},
        "a source without a name": {**good, "dataSource": {"kind": "PersistentVolumeClaim", "name": ""}},
        "a source of another kind": {**good, "dataSource": {"kind": "Pod", "name": "a"}},
        "more than its limit": {
            **good, "resources": {"requests": {"storage": "2Gi"}, "limits": {"storage": "1Gi"}}
        },
    }  # fmt: skip
    disks: dict[str, dict[str, Any]] = {
        "a wrong mode": {**disk, "accessModes": ["Some"]},
        "less than nothing": {**disk, "capacity": {"storage": "-1Gi"}},
        "two sources": {**disk, "nfs": {"server": "a", "path": "/b"}},
        "a path that goes up": {**disk, "hostPath": {"path": "/a/../b"}},
        "a wrong policy": {**disk, "persistentVolumeReclaimPolicy": "Burn"},
        "a server without a name": {key: item for key, item in disk.items() if key != "hostPath"}
        | {"nfs": {"server": "", "path": "b"}},
        "recycled, at the root": {**disk, "hostPath": {"path": "/"}, "persistentVolumeReclaimPolicy": "Recycle"},
        "a bad class": {**disk, "storageClassName": "A b"},
        "local, without a node": {key: item for key, item in disk.items() if key != "hostPath"}
        | {"local": {"path": "/x"}},
    }
    return [
        *(_new("claims", name, kept, spec=spec) for name, spec in claims.items()),
        *(
            _new("volumes", name, {"finalizers": ["kubernetes.io/pv-protection"]}, spec=spec)
            for name, spec in disks.items()
        ),
    ]


def _work() -> list[Request]:
    spec: dict[str, Any] = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": _JOB}}
    crons: dict[str, dict[str, Any]] = {
        f"the schedule {text!r}": {**spec, "schedule": text} for text in _SCHEDULES
    }  # fmt: skip
    crons |= {
        "an unknown time zone": {**spec, "timeZone": "Mars/Base"},
        "a time zone": {**spec, "timeZone": "Europe/Rome"},
        "the local time zone": {**spec, "timeZone": "Local"},
        "no time zone": {**spec, "timeZone": ""},
        "a wrong policy": {**spec, "concurrencyPolicy": "Maybe"},
        "a negative deadline": {**spec, "startingDeadlineSeconds": -1},
        "a negative history": {**spec, "successfulJobsHistoryLimit": -1},
        "a job's mistake": {**spec, "jobTemplate": {"spec": {**_JOB, "completions": -1}}},
    }
    jobs: dict[str, dict[str, Any]] = {
        "a wrong mode": {**_JOB, "completionMode": "Some"},
        "indexed without a number": {**_JOB, "completionMode": "Indexed"},
        "a negative limit": {**_JOB, "backoffLimit": -1},
        "a limit by index that is not indexed": {**_JOB, "backoffLimitPerIndex": 1},
        "a selector of its own": {**_JOB, "selector": {"matchLabels": {"a": "b"}}},
        "a failure policy of nothing": {**_JOB, "podFailurePolicy": {"rules": [{"action": "Hope"}]}},
        "a replacement policy": {**_JOB, "podReplacementPolicy": "Some"},
        "managed by a word": {**_JOB, "managedBy": "me"},
    }
    works: dict[str, dict[str, Any]] = {
        "a negative delay": {**_WORK, "minReadySeconds": -1},
        "a deadline below the delay": {**_WORK, "minReadySeconds": 700},
        "no surge and nothing unavailable": {
            **_WORK, "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}},
        },
        "more than all unavailable": {**_WORK, "strategy": {"rollingUpdate": {"maxUnavailable": "110%"}}},
        "a surge by a word": {**_WORK, "strategy": {"rollingUpdate": {"maxSurge": "many"}}},
        "recreated step by step": {**_WORK, "strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
        "a negative history": {**_WORK, "revisionHistoryLimit": -1},
        "a wrong operator": {
            **_WORK, "selector": {"matchLabels": _LABELS, "matchExpressions": [{"key": "a", "operator": "Is"}]},
        },
        "an operator without values": {
            **_WORK, "selector": {"matchLabels": _LABELS, "matchExpressions": [{"key": "a", "operator": "In"}]},
        },
        "a deadline of pods": {
            **_WORK, "template": {**_WORK["template"], "spec": {**_POD, "activeDeadlineSeconds": 5}},
        },
        "a request above its limit": {
            **_WORK,
            "template": {
                **_WORK["template"],
                "spec": _container(resources={"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}),
            },
        },
    }  # fmt: skip
    return [
        *(_new("cronjobs", name, spec=one) for name, one in crons.items()),
        _new("cronjobs", "a long name", {"name": "a" * 53}, spec=spec),
        *(_new("jobs", name, spec=one) for name, one in jobs.items()),
        *(_new("deployments", name, spec=one) for name, one in works.items()),
        _new("statefulsets", "a wrong policy", spec={**_WORK, "serviceName": "a", "podManagementPolicy": "Some"}),
        _new("statefulsets", "a bad service", spec={**_WORK, "serviceName": "A b"}),
        _new(
            "statefulsets",
            "a negative partition",
            spec={**_WORK, "serviceName": "a", "updateStrategy": {"rollingUpdate": {"partition": -1}}},
        ),
        _new(
            "daemonsets",
            "nothing unavailable",
            spec={**_WORK, "updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}},
        ),
    ]


def _path(path: Any = "/", kind: str = "Prefix", backend: Any = None) -> dict[str, Any]:
    inside = {"pathType": kind, "backend": _BACKEND if backend is None else backend}
    return {"http": {"paths": [inside if path is None else {"path": path, **inside}]}}


def _networks() -> list[Request]:
    ingresses: dict[str, dict[str, Any]] = {
        "a host with capitals": {"rules": [{"host": "A.org", **_path()}]},
        "a host that is an address": {"rules": [{"host": "10.0.0.1", **_path()}]},
        "a wild card": {"rules": [{"host": "*.a.org", **_path()}]},
        "a wild card inside": {"rules": [{"host": "a.*.org", **_path()}]},
        "a host with a port": {"rules": [{"host": "a.org:80", **_path()}]},
        "no path": {"rules": [_path(None)]},
        "a relative path": {"rules": [_path("a")]},
        "a path with two slashes": {"rules": [_path("/a//b")]},
        "a path that goes up": {"rules": [_path("/a/../b")]},
        "a path with a slash encoded": {"rules": [_path("/a%2fb", "Exact")]},
        "an implementation's path": {"rules": [_path("a", "ImplementationSpecific")]},
        "an unknown path type": {"rules": [_path("/", "Some")]},
        "no paths": {"rules": [{"http": {"paths": []}}]},
        "an empty backend": {"rules": [_path(backend={})]},
        "a backend without a port": {"rules": [_path(backend={"service": {"name": "a"}})]},
        "a backend with two ports": {
            "rules": [_path(backend={"service": {"name": "a", "port": {"name": "b", "number": 1}}})],
        },
        "a backend with a bad name": {"rules": [_path(backend={"service": {"name": "A", "port": {"number": 1}}})]},
        "a backend with a bad port": {"rules": [_path(backend={"service": {"name": "a", "port": {"number": 70000}}})]},
        "a backend with a bad port name": {
            "rules": [_path(backend={"service": {"name": "a", "port": {"name": "A_"}}})],
        },
        "two backends": {
            "rules": [_path(backend={**_BACKEND, "resource": {"kind": "A", "name": "b", "apiGroup": "c.org"}})],
        },
        "an empty default backend": {"defaultBackend": {}},
        "a default backend": {"defaultBackend": _BACKEND},
        "a bad class": {"defaultBackend": _BACKEND, "ingressClassName": "A b"},
        "hosts of TLS": {"defaultBackend": _BACKEND, "tls": [{"hosts": ["A", "*.b.org"], "secretName": "A b"}]},
        "no rules": {"rules": []},
        "nothing": {},
    }  # fmt: skip
    policies: dict[str, dict[str, Any]] = {
        "a wrong type": {"podSelector": {}, "policyTypes": ["Sideways"]},
        "three types": {"podSelector": {}, "policyTypes": ["Ingress", "Egress", "Ingress"]},
        "egress": {"podSelector": {}, "egress": [{}]},
        "a wrong range": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0"}}]}]},
        "a range with bits of a host": {
            "podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.1/8"}}]}],
        },
        "no range": {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": ""}}]}]},
        "an exception from outside": {
            "podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}]}],
        },
        "an exception that is all": {
            "podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}]}],
        },
        "an exception that is none": {
            "podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["x"]}}]}],
        },
        "an empty peer": {"podSelector": {}, "ingress": [{"from": [{}]}]},
        "a range and pods": {
            "podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}],
        },
        "port 0": {"podSelector": {}, "ingress": [{"ports": [{"port": 0}]}]},
        "a port that is too high": {"podSelector": {}, "egress": [{"ports": [{"port": 70000}]}]},
        "a port with a bad name": {"podSelector": {}, "ingress": [{"ports": [{"port": "A_"}]}]},
        "a port by name": {"podSelector": {}, "ingress": [{"ports": [{"port": "http"}]}]},
        "an end before its port": {"podSelector": {}, "ingress": [{"ports": [{"port": 80, "endPort": 70}]}]},
        "an end without a port": {"podSelector": {}, "ingress": [{"ports": [{"endPort": 70}]}]},
        "an end of a name": {"podSelector": {}, "ingress": [{"ports": [{"port": "http", "endPort": 70}]}]},
        "a wrong protocol": {"podSelector": {}, "ingress": [{"ports": [{"port": 80, "protocol": "HTTP"}]}]},
        "a bad selector": {"podSelector": {"matchLabels": {"a b": "c"}}},
        "a selector with a wrong operator": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}},
        "a selector of a peer": {
            "podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"a": "b c"}}}]}],
        },
    }  # fmt: skip
    slices: dict[str, dict[str, Any]] = {
        "an address of another type": {"addressType": "IPv4", "endpoints": [{"addresses": ["::1"]}]},
        "an endpoint without an address": {"addressType": "IPv4", "endpoints": [{"addresses": []}]},
        "a name": {"addressType": "FQDN", "endpoints": [{"addresses": ["a.org"]}]},
        "no type": {"endpoints": []},
        "a port twice": {"addressType": "IPv4", "endpoints": [], "ports": [{"port": 1}, {"port": 2}]},
        "a wrong protocol": {"addressType": "IPv4", "endpoints": [], "ports": [{"port": 1, "protocol": "HTTP"}]},
        "a bad host name": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"], "hostname": "A b"}]},
    }
    return [
        *(_new("ingresses", name, spec=spec) for name, spec in ingresses.items()),
        *(_new("policies", name, spec=spec) for name, spec in policies.items()),
        *(_new("slices", name, **members) for name, members in slices.items()),
        _new("classes", "a bad controller", spec={"controller": "a b"}),
        _new("classes", "no controller", spec={}),
        _new(
            "classes", "parameters of nothing", spec={"controller": "a.org/b", "parameters": {"kind": "", "name": ""}}
        ),
        _new("endpoints", "a bad address", subsets=[{"addresses": [{"ip": "x"}], "ports": [{"port": 80}]}]),
        _new(
            "endpoints", "a loopback address", subsets=[{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"port": 80}]}]
        ),
        _new("endpoints", "no address", subsets=[{"ports": [{"port": 80}]}]),
        _new(
            "endpoints",
            "ports without names",
            subsets=[{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 0}, {"port": 81}]}],
        ),
    ]


def _others() -> list[Request]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler: dict[str, Any] = {"scaleTargetRef": target, "maxReplicas": 2}

    def metric(**aim: Any) -> dict[str, Any]:
        return {**scaler, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": aim}}]}

    scalers: dict[str, dict[str, Any]] = {
        "no metrics": scaler,
        "no name of a target": {**scaler, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment"}},
        "no kind of a target": {**scaler, "scaleTargetRef": {"apiVersion": "apps/v1", "name": "a"}},
        "none at least": {**scaler, "minReplicas": 0},
        "no target": metric(),
        "a utilization of nothing": metric(type="Utilization", averageUtilization=0),
        "a utilization that has a value": metric(type="Utilization", averageUtilization=5, averageValue="1"),
        "a value of nothing": metric(type="AverageValue", averageValue="0"),
        "a wrong type of target": metric(type="Some", averageValue="1"),
        "a wrong type": {**scaler, "metrics": [{"type": "Some"}]},
        "a type without its source": {**scaler, "metrics": [{"type": "Pods"}]},
        "two sources": {
            **scaler,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "1"}},
                    "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "1"}},
                }
            ],
        },
        "behaviour": {
            **scaler, "behavior": {"scaleUp": {"policies": [{"type": "Some", "value": 0, "periodSeconds": 9999}]}},
        },
        "a window of behaviour": {**scaler, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5000}}},
        "no policies of behaviour": {**scaler, "behavior": {"scaleDown": {"policies": [], "selectPolicy": "Some"}}},
    }  # fmt: skip
    return [
        *(_new("scalers", name, spec=spec) for name, spec in scalers.items()),
        *(
            _new("budgets", name, spec={"selector": {"matchLabels": _LABELS}, **spec})
            for name, spec in {
                "less than nothing": {"minAvailable": -1},
                "more than all": {"minAvailable": "110%"},
                "a word": {"maxUnavailable": "many"},
                "a percentage": {"maxUnavailable": "50%"},
                "a wrong policy": {"minAvailable": 1, "unhealthyPodEvictionPolicy": "Some"},
                "a bad selector": {"selector": {"matchLabels": {"a b": "c"}}},
            }.items()
        ),
        *(
            _new("quotas", name, spec=spec)
            for name, spec in {
                "an unknown resource": {"hard": {"apples": "1"}},
                "a count": {"hard": {"count/deployments.apps": "5"}},
                "less than nothing": {"hard": {"cpu": "-1"}},
                "half a pod": {"hard": {"pods": "1.5"}},
                "a wrong scope": {"hard": {"pods": "1"}, "scopes": ["Some"]},
                "a scope for another resource": {"hard": {"services": "1"}, "scopes": ["Terminating"]},
                "two scopes": {"hard": {"pods": "1"}, "scopes": ["Terminating", "NotTerminating"]},
            }.items()
        ),
        *(
            _new("ranges", name, spec={"limits": [limit]})
            for name, limit in {
                "no type": {"max": {"cpu": "1"}},
                "a type": {"type": "Apple", "max": {"cpu": "1"}},
                "more at least than at most": {"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "1"}},
                "a default above the most": {"type": "Container", "default": {"cpu": "2"}, "max": {"cpu": "1"}},
                "a default below the least": {"type": "Container", "defaultRequest": {"cpu": "1"}, "min": {"cpu": "2"}},
                "a default of a pod": {"type": "Pod", "default": {"cpu": "2"}},
                "a ratio below one": {"type": "Container", "maxLimitRequestRatio": {"cpu": "0.5"}},
                "a claim without limits": {"type": "PersistentVolumeClaim"},
            }.items()
        ),
        _new("nodes", "a bad taint", spec={"taints": [{"key": "a b", "effect": "Some"}]}),
        _new("nodes", "a taint twice", spec={"taints": [{"key": "a", "effect": "NoSchedule"}] * 2}),
        _new("nodes", "a bad range", spec={"podCIDR": "x"}),
        _new("priorities", "of the system", {"name": "system-mine"}, value=5),
        _new("priorities", "a value of the system's", {"name": "system-mine"}, value=2_000_000_000),
        _new("priorities", "a wrong policy", value=5, preemptionPolicy="Some"),
        _new("storage", "no provisioner"),
        _new("storage", "a bad provisioner", provisioner="a b"),
        _new("storage", "a wrong mode", provisioner="a.org/b", volumeBindingMode="Some"),
        _new("runtimes", "no handler"),
        _new("runtimes", "a bad handler", handler="A b"),
        _new("accounts", "a bad name", {"name": "A b"}),
        *(
            _new(
                "webhooks",
                name,
                webhooks=[
                    {
                        "name": "check.example.org",
                        "sideEffects": "None",
                        "admissionReviewVersions": ["v1"],
                        "clientConfig": {"url": "https://example.org/check"},
                        **hook,
                    }
                ],
            )
            for name, hook in {
                "a short name": {"name": "check"},
                "no versions": {"admissionReviewVersions": []},
                "an unknown version": {"admissionReviewVersions": ["v9"]},
                "a URL without TLS": {"clientConfig": {"url": "http://example.org"}},
                "no client": {"clientConfig": {}},
                "a URL and a service": {
                    "clientConfig": {"url": "https://a.org", "service": {"name": "a", "namespace": "b"}},
                },
                "a wrong failure policy": {"failurePolicy": "Some"},
                "a wrong match policy": {"matchPolicy": "Some"},
                "a long timeout": {"timeoutSeconds": 60},
                "side effects": {"sideEffects": "Some"},
                "no operations": {"rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]},
                "all and others": {
                    "rules": [
                        {"apiGroups": ["*", "a"], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["*"]},
                    ]
                },
            }.items()
        ),
    ]


THEME = Theme(
    "validation",
    "Built-in objects with a mistake",
    [*_pods(), *_services(), *_volumes(), *_work(), *_networks(), *_others()],
)

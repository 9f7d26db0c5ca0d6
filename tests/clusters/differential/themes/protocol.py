"""HTTP: media types, encodings, headers, discovery, paths that are not there, limits of sizes."""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import Request, Theme, delete, get, patch, post, prepare, put

_MAPS = "/api/v1/namespaces/$NS/configmaps"
_SECRETS = "/api/v1/namespaces/$NS/secrets"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/$NS/leases"
_YAML = "application/yaml"
_PROTOBUF = "application/vnd.kubernetes.protobuf"


def _map(name: str, **members: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **members}


def _accept(name: str, accept: str, path: str = f"{_MAPS}/one", **more: Any) -> Request:
    return get(name, path, headers={"Accept": accept}, **more)


def _typed(name: str, media: str | None, body: Any, **more: Any) -> Request:
    return post(name, f"{_MAPS}?dryRun=All", body, headers={"Content-Type": media}, **more)


THEME = Theme(
    "protocol",
    "HTTP: media types, headers, discovery, sizes",
    [
        *prepare(post("a ConfigMap", _MAPS, _map("one", data={"a": "b"}), until=(201,))),
        _accept("as JSON", "application/json"),
        _accept("as anything", "*/*"),
        _accept("as any application", "application/*"),
        _accept("as YAML", _YAML),
        _accept("as protobuf", _PROTOBUF),
        _accept("as protobuf, or JSON", f"{_PROTOBUF},application/json"),
        _accept("as XML", "application/xml"),
        _accept("as XML, or JSON", "application/xml, application/json"),
        _accept("as metadata only", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"),
        _accept(
            "as a list of metadata only", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", _MAPS
        ),
        _accept("as an unknown form", "application/json;as=Picture;g=meta.k8s.io;v=v1"),
        _accept("as an unknown form, or JSON", "application/json;as=Picture;g=meta.k8s.io;v=v1,application/json"),
        _accept("an error as YAML", _YAML, f"{_MAPS}/nothing"),
        _accept("an error as a Table", "application/json;as=Table;g=meta.k8s.io;v=v1", f"{_MAPS}/nothing"),
        get("indented", f"{_MAPS}/one?pretty=true"),
        get("a short answer in gzip", f"{_MAPS}/one", headers={"Accept-Encoding": "gzip"}),
        *prepare(post("a large ConfigMap", _MAPS, _map("large", data={"a": "x" * 200_000}), until=(201,))),
        get("a long answer in gzip", f"{_MAPS}/large", headers={"Accept-Encoding": "gzip"}),
        get("a long list in gzip", _MAPS, headers={"Accept-Encoding": "gzip, deflate"}),
        get("a long answer not in gzip", f"{_MAPS}/large", headers={"Accept-Encoding": "deflate"}),
        _typed("a body in YAML", _YAML, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: two\ndata: {a: b}\n"),
        _typed("a body in YAML that is none", _YAML, "a: [b\n"),
        _typed("a body with no type", None, _map("two")),
        _typed("a body of another type", "text/plain", _map("two")),
        _typed("a body with a charset", "application/json; charset=utf-8", _map("two")),
        _typed("a body that is a form", "application/x-www-form-urlencoded", "a=b"),
        _typed("an empty body", "application/json", ""),
        _typed("half a body", "application/json", "{"),
        _typed("a list for an object", "application/json", []),
        _typed("a text for an object", "application/json", '"text"'),
        _typed("another kind", "application/json", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "two"}}),
        _typed(
            "another version",
            "application/json",
            {"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "two"}},
        ),
        _typed(
            "another group",
            "application/json",
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "two"}},
        ),
        _typed("a number for a name", "application/json", {"metadata": {"name": 5}}),
        _typed("a number for a label", "application/json", {"metadata": {"name": "two", "labels": {"a": 1}}}),
        _typed("a wrong time", "application/json", {"metadata": {"name": "two", "creationTimestamp": "yesterday"}}),
        _typed(
            "a field twice",
            "application/json",
            '{"metadata":{"name":"two"},"data":{"a":"b"},"data":{"a":"c"}}',
            stays="the JSON parser keeps the last of two fields and does not tell",
        ),
        post("unknown fields, strictly", f"{_MAPS}?dryRun=All&fieldValidation=Strict", _map("two", bogus=1, other=2)),
        post(
            "unknown fields, with warnings", f"{_MAPS}?dryRun=All&fieldValidation=Warn", _map("two", bogus=1, other=2)
        ),
        post("unknown fields, ignored", f"{_MAPS}?dryRun=All&fieldValidation=Ignore", _map("two", bogus=1)),
        post("an unknown validation", f"{_MAPS}?fieldValidation=Maybe", _map("two")),
        post("an unknown dry run", f"{_MAPS}?dryRun=Some", _map("two")),
        post("the namespace of another", _MAPS, {"metadata": {"name": "two", "namespace": "default"}}),
        post("no name", _MAPS, {"metadata": {}}),
        post("a resourceVersion", _MAPS, {"metadata": {"name": "two", "resourceVersion": "5"}}),
        post("a namespace that is not there", "/api/v1/namespaces/nowhere/configmaps", _map("two")),
        patch("a patch with a type that is none", f"{_MAPS}/one", {}, headers={"Content-Type": "application/json"}),
        get("a type that is not there", "/api/v1/namespaces/$NS/things"),
        get("a group that is not there", "/apis/nothing.example.org/v1/things"),
        get("a group's document that is not there", "/apis/nothing.example.org"),
        get("a version that is not there", "/apis/apps/v9/deployments"),
        get("a version's document that is not there", "/apis/apps/v9"),
        get("a path that is not there", "/nothing"),
        get("a subresource that is not there", f"{_MAPS}/one/status"),
        get("too long a path", f"{_MAPS}/one/status/more"),
        get("a namespaced type without a namespace", "/api/v1/configmaps/one"),
        get("a cluster-wide type in a namespace", "/api/v1/namespaces/$NS/nodes"),
        post("a POST to an object", f"{_MAPS}/one", {}),
        put("a PUT to a collection", _MAPS, {}),
        patch("a PATCH of a collection", _MAPS, {}),
        delete("a DELETE of all namespaces", "/api/v1/namespaces"),
        get("the version", "/version", stays="each server names its own build"),
        Request("an unknown method", "BREW", f"{_MAPS}/one"),
        get("a header of 100 kB", f"{_MAPS}/one", headers={"X-Long": "a" * 100_000}),
        get("a header of 1.1 MB", f"{_MAPS}/one", headers={"X-Long": "a" * 1_100_000}),
        get("a thousand headers", f"{_MAPS}/one", headers={f"X-{number}": "a" for number in range(1000)}),
        get("headers of 1.1 MB in all", f"{_MAPS}/one", headers={f"X-{number}": "a" * 11_000 for number in range(100)}),
        get("a long query", f"{_MAPS}/one?{'a' * 20_000}"),
        get("a path that is not escaped", f"{_MAPS}/on%zz"),
        Request("a HEAD", "HEAD", f"{_MAPS}/one"),
        Request("OPTIONS", "OPTIONS", f"{_MAPS}/one"),
        get(
            "the versions of the core group", "/api/v1?dryRun=1", headers={"Accept": "application/yaml"}, compared=False
        ),
        get("one group", "/apis/apps"),
        get("a group's resources", "/apis/batch/v1"),
        get(
            "resources of leases",
            "/apis/coordination.k8s.io/v1",
            stays="only v1 is served, and no evaluation of leases",
        ),
        get("resources of roles", "/apis/rbac.authorization.k8s.io/v1"),
        get(
            "resources of networks",
            "/apis/networking.k8s.io/v1",
            stays="addresses of Services are given out without objects for them: no IPAddress and no ServiceCIDR",
        ),
        get("health", "/healthz"),
        get("liveness", "/livez"),
        get("readiness", "/readyz"),
        get(
            "the OpenAPI of a group that is not there",
            "/openapi/v3/apis/nothing.example.org/v1",
            stays="a Status says more than an empty body",
        ),
        post("1 MiB of data", f"{_MAPS}?dryRun=All", _map("two", data={"a": "x" * (1 << 20)})),
        post("more than 1 MiB of data", f"{_MAPS}?dryRun=All", _map("two", data={"a": "x" * ((1 << 20) + 1)})),
        post(
            "more than 1 MiB of a Secret",
            f"{_SECRETS}?dryRun=All",
            {"metadata": {"name": "two"}, "stringData": {"a": "x" * ((1 << 20) + 1)}},
        ),
        post("more than 3 MiB", f"{_MAPS}?dryRun=All", _map("two", data={"a": "x" * (3 << 20)})),
        post(
            "annotations of more than 256 KiB",
            f"{_MAPS}?dryRun=All",
            {"metadata": {"name": "two", "annotations": {"a": "x" * (257 << 10)}}},
        ),
        put("a Lease by PUT", f"{_LEASES}/put", {"metadata": {"name": "put"}, "spec": {}}),
        put("a Lease by PUT again", f"{_LEASES}/put", {"metadata": {"name": "put"}, "spec": {}}),
        put(
            "a Lease by PUT with a version",
            f"{_LEASES}/other",
            {"metadata": {"name": "other", "resourceVersion": "5"}, "spec": {}},
        ),
        put("a Lease by PUT with a uid", f"{_LEASES}/other", {"metadata": {"name": "other", "uid": "abc"}, "spec": {}}),
        put("a ConfigMap by PUT", f"{_MAPS}/put", {"metadata": {"name": "put"}}),
        put("another name than the path's", f"{_MAPS}/put", {"metadata": {"name": "other"}}),
        put("no name in a PUT", f"{_MAPS}/put", {"metadata": {}}),
        put("a PUT with an old version", f"{_MAPS}/one", {"metadata": {"name": "one", "resourceVersion": "1"}}),
        put("a PUT with another uid", f"{_MAPS}/one", {"metadata": {"name": "one", "uid": "abc"}}),
    ],
)

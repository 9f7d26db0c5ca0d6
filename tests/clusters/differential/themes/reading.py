"""Lists, pages, versions and watches, as clients ask for them."""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import Request, Theme, get, post, prepare

_MAPS = "/api/v1/namespaces/$NS/configmaps"


def _list(name: str, query: str, **more: Any) -> Request:
    return get(name, f"{_MAPS}?{query}", **more)


_SELECTOR = "the message names the text that is not a selector, and not the token that was expected"


def _watch(name: str, query: str, path: str = _MAPS, **more: Any) -> Request:
    """A watch that ends after a second."""
    return get(f"watch: {name}", f"{path}?timeoutSeconds=1&{query}", **more)


def _made(name: str, **labels: str) -> list[Request]:
    body = {"metadata": {"name": name, "labels": labels}, "data": {"a": "b"}}
    return prepare(post(f"make {name}", _MAPS, body, save=name, until=(201,)))


_FUTURE = "9000000000"

THEME = Theme(
    "reading",
    "Lists, pages, versions, watches",
    [
        *_made("one", color="red", size="1"),
        *_made("three", color="green"),
        *_made("two", color="red"),
        _list("all", ""),
        _list("a page", "limit=2", save="page"),
        _list("the next page", "limit=2&continue=$page.metadata.continue"),
        _list(
            "a page of a page that is nonsense",
            "limit=2&continue=nonsense",
            stays="the message does not quote the JSON parser",
        ),
        _list("a page with a version", "limit=2&continue=$page.metadata.continue&resourceVersion=5"),
        _list("any version, with a limit", "resourceVersion=0&limit=1"),
        _list("no older than", "resourceVersion=$one.metadata.resourceVersion&resourceVersionMatch=NotOlderThan"),
        _list(
            "no older than, with a limit",
            "resourceVersion=$one.metadata.resourceVersion&resourceVersionMatch=NotOlderThan&limit=1",
        ),
        _list("exactly", "resourceVersion=$one.metadata.resourceVersion&resourceVersionMatch=Exact"),
        _list("exactly zero", "resourceVersion=0&resourceVersionMatch=Exact"),
        _list("a match without a version", "resourceVersionMatch=Exact"),
        _list("an unknown match", "resourceVersion=5&resourceVersionMatch=Maybe"),
        _list("a version that is not a number", "resourceVersion=x"),
        _list("a version below zero", "resourceVersion=-1"),
        _list("a version of the future", f"resourceVersion={_FUTURE}"),
        _list("exactly a version of the future", f"resourceVersion={_FUTURE}&resourceVersionMatch=Exact"),
        get("an object, no older than a version of the future", f"{_MAPS}/one?resourceVersion={_FUTURE}"),
        get("an object at any version", f"{_MAPS}/one?resourceVersion=0"),
        get("an object at a version that is not a number", f"{_MAPS}/one?resourceVersion=x"),
        _list("a limit that is not a number", "limit=x"),
        _list("a limit below zero", "limit=-1"),
        _list("a limit of zero", "limit=0"),
        _list("initial events of a list", "sendInitialEvents=true"),
        _list("a label", "labelSelector=color%3Dred"),
        _list("not a label", "labelSelector=color!%3Dred"),
        _list("one of labels", "labelSelector=color+in+(red,green)"),
        _list("without a label", "labelSelector=!size"),
        _list("a wrong selector", "labelSelector=color%3D%3D%3Dred", stays=_SELECTOR),
        _list("a selector with a bad value", "labelSelector=color%3Da+b", stays=_SELECTOR),
        _list("a name", "fieldSelector=metadata.name%3Done"),
        _list("not a name", "fieldSelector=metadata.name!%3Done"),
        _list("a field that cannot be selected", "fieldSelector=data.a%3Db"),
        _list("a field selector that is none", "fieldSelector=nonsense"),
        get("one object with a label", f"{_MAPS}/one?labelSelector=color%3Dgreen"),
        get("Pods of a phase", "/api/v1/namespaces/$NS/pods?fieldSelector=status.phase%3DRunning"),
        get("everywhere, by a name", "/api/v1/configmaps?fieldSelector=metadata.namespace%3D$NS,metadata.name%3Done"),
        _watch("true", "watch=true&resourceVersion=$two.metadata.resourceVersion"),
        _watch("True", "watch=True&resourceVersion=$two.metadata.resourceVersion"),
        _watch("1", "watch=1&resourceVersion=$two.metadata.resourceVersion"),
        _watch("yes", "watch=yes&resourceVersion=$two.metadata.resourceVersion"),
        _watch("false", "watch=false"),
        _watch("0", "watch=0"),
        _watch("nothing after it", "watch&resourceVersion=$two.metadata.resourceVersion"),
        _watch("from the beginning", "watch=true"),
        _watch("from any version", "watch=true&resourceVersion=0"),
        _watch("from a version", "watch=true&resourceVersion=$one.metadata.resourceVersion"),
        _watch(
            "from a version, with a label",
            "watch=true&resourceVersion=$one.metadata.resourceVersion&labelSelector=color%3Dred",
        ),
        _watch("one object", "watch=true&resourceVersion=0&fieldSelector=metadata.name%3Done"),
        _watch("an object's own path", "watch=true&resourceVersion=0", f"{_MAPS}/one"),
        _watch("from a version of the future", f"watch=true&resourceVersion={_FUTURE}"),
        _watch("from a version that is not a number", "watch=true&resourceVersion=x"),
        _watch("a match without initial events", "watch=true&resourceVersion=5&resourceVersionMatch=NotOlderThan"),
        _watch("initial events without a match", "watch=true&sendInitialEvents=true"),
        _watch(
            "initial events",
            "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
        ),
        _watch("a wrong selector", "watch=true&labelSelector=%3D%3D", stays=_SELECTOR),
        _watch("a field that cannot be selected", "watch=true&fieldSelector=data.a%3Db"),
        get("watch: a time that is not a number", f"{_MAPS}?watch=true&timeoutSeconds=x"),
        get(
            "watch: in the old form",
            "/api/v1/watch/namespaces/$NS/configmaps?timeoutSeconds=1&resourceVersion=$two.metadata.resourceVersion",
            stays="the form is deprecated since Kubernetes 1.11",
        ),
        get(
            "watch: as metadata only",
            f"{_MAPS}?watch=true&timeoutSeconds=1&resourceVersion=0&fieldSelector=metadata.name%3Done",
            headers={"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"},
        ),
        get(
            "watch: as a Table",
            f"{_MAPS}?watch=true&timeoutSeconds=1&resourceVersion=$two.metadata.resourceVersion",
            headers={"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"},
        ),
    ],
)

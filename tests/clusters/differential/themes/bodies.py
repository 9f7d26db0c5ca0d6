"""Bodies that are not what they should be: broken JSON, values that are not objects, bytes that UTF-8 lacks; YAML."""

from __future__ import annotations

from tests.clusters.differential.requests import (
    OBJECTS,
    Request,
    Theme,
    apply,
    custom,
    definition,
    delete,
    patch,
    post,
    prepare,
    put,
)

_MAPS = "/api/v1/namespaces/$NS/configmaps"
_YAML = {"Content-Type": "application/yaml"}
_KINDS = ((_MAPS, "v1", "ConfigMap"), (OBJECTS, "$GROUP/v1", "Thing"))
_ALIASES = "a kilobyte of aliases can stand for gigabytes, and no client sends them"
_DEEP = "bodies are nested 100 times at most; no kind needs more"
_BROKEN: tuple[tuple[str, str | bytes], ...] = (
    ("null", "null"),
    ("a list", "[]"),
    ("a number", "1"),
    ("a text", '"a"'),
    ("true", "true"),
    ("an empty body", ""),
    ("spaces", "  \n"),
    ("a brace", "{"),
    ("a key without a value", '{"a"'),
    ("a key without a colon", '{"a" 1}'),
    ("a comma too many", '{"a":1,}'),
    ("two values", "{} {}"),
    ("a word", "nope"),
    ("single quotes", "{'a':1}"),
    ("a comment", "{/* a */}"),
    ("NaN", '{"a":NaN}'),
    ("a leading zero", '{"a":01}'),
    ("a plus", '{"a":+1}'),
    ("a tab in a text", '{"a":"\t"}'),
    ("an unknown escape", '{"a":"\\x"}'),
    ("a short escape", '{"a":"\\u12"}'),
    ("bytes that UTF-8 does not have", b'{"metadata":{"annotations":{"a":"\xff"}}}'),
    ("a byte order mark", b"\xef\xbb\xbf{}"),
)


def _object(api: str, kind: str, name: str, data: str) -> str:
    return f'{{"apiVersion":"{api}","kind":"{kind}","metadata":{{"name":"{name}"}},"data":{data}}}'


def _of(path: str, api: str, kind: str) -> list[Request]:
    made = [post(f"{kind}: {name}", f"{path}?dryRun=All", body) for name, body in _BROKEN]
    one = f"{path}/one"
    return [
        *made,
        *prepare(post("create", path, _object(api, kind, "one", '{"a":"b"}'))),
        put(f"{kind}: PUT of null", one, "null"),
        put(f"{kind}: PUT of a list", one, "[]"),
        patch(f"{kind}: merge patch of null", one, "null"),
        patch(f"{kind}: merge patch of a list", one, "[]"),
        patch(f"{kind}: merge patch of a text", one, '"a"'),
        patch(f"{kind}: merge patch that is broken", one, "{"),
        patch(f"{kind}: JSON patch of null", one, "null", "json"),
        patch(f"{kind}: JSON patch of an object", one, "{}", "json"),
        patch(f"{kind}: JSON patch that is broken", one, "[", "json"),
        patch(f"{kind}: JSON patch of nulls", one, "[null]", "json"),
        patch(f"{kind}: a lone surrogate in a merge patch", one, '{"data":{"a":"\\ud800"}}'),
        apply(f"{kind}: apply of null", one, "null"),
        apply(f"{kind}: apply of a list", one, "[]"),
        apply(f"{kind}: apply of nothing", one, ""),
        delete(f"{kind}: DELETE with null", f"{one}?dryRun=All", "null"),
        delete(f"{kind}: DELETE with a list", f"{one}?dryRun=All", "[]"),
        delete(f"{kind}: DELETE with broken options", f"{one}?dryRun=All", "{"),
        post(f"{kind}: a lone surrogate", f"{path}?dryRun=All", _object(api, kind, "two", '{"a":"x\\ud800y"}')),
        post(f"{kind}: two surrogates in the wrong order", f"{path}?dryRun=All",
             _object(api, kind, "two", '{"a":"\\udc00\\ud800"}')),
        post(f"{kind}: a surrogate pair", f"{path}?dryRun=All", _object(api, kind, "two", '{"a":"\\ud83d\\ude00"}')),
        post(f"{kind}: a lone surrogate in a key", f"{path}?dryRun=All", _object(api, kind, "two", '{"\\udc00":"a"}')),
        post(f"{kind}: bytes that UTF-8 does not have in a value", f"{path}?dryRun=All",
             _object(api, kind, "two", '{"a":"$"}').encode().replace(b"$\"", b"\xff\"")) if api == "v1"
        else delete(f"{kind}: DELETE with a number", f"{one}?dryRun=All", "1"),
    ]  # fmt: skip


def _yaml(name: str, data: str, **more: str) -> Request:
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\n"
    return post(f"YAML: {name}", f"{_MAPS}?dryRun=All", head + data, headers=_YAML, **more)


_IN_YAML: list[Request] = [
    _yaml("plain", "data: {a: b}"),
    _yaml("a tag of a text", "data: {a: !!str 1}"),
    _yaml("a tag of a number", 'data: {a: !!int "1"}'),
    _yaml("a tag of bytes", "data: {a: !!binary aGk=}"),
    _yaml("an unknown tag", "data: {a: !mine b}"),
    _yaml("an unknown tag of a map", "data: !mine {a: b}"),
    _yaml("a tag of a set", "data: !!set {a, b}"),
    _yaml("a tag of Python", "data: {a: !!python/name:os.system ''}"),
    post("YAML: a %TAG directive", f"{_MAPS}?dryRun=All",
         "%TAG ! tag:example.org,2000:\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\n", headers=_YAML),
    _yaml("an anchor and an alias", "data: {a: &x b, c: *x}", stays=_ALIASES),
    _yaml("a merge key", "x: &x {a: b}\ndata: {<<: *x, c: d}", stays=_ALIASES),
    _yaml("an unknown alias", "data: {a: *x}", stays=_ALIASES),
    _yaml("two documents", "data: {a: b}\n---\na: b\n"),
    _yaml("a number as a text", "data: {a: 1}"),
    _yaml("a time", "data: {a: 2020-01-01}"),
    _yaml("yes", "data: {a: yes}"),
    _yaml("a key that is a list", "data: {[a]: b}", stays="the message does not quote the key"),
    _yaml("a key twice", "data: {a: b, a: c}", stays="a key that is there twice is not reported: the last one counts"),
    _yaml("a tab", "data:\n\ta: b"),
    _yaml("lists of 200 levels", "x: " + "[" * 200 + "]" * 200, stays=_DEEP),
    _yaml("lists of 9,000 levels", "x: " + "[" * 9000 + "]" * 9000, stays=_DEEP),
    _yaml("lists of 11,000 levels", "x: " + "[" * 11_000 + "]" * 11_000, stays=_DEEP),
    _yaml("only a comment", "# a"),
    post("YAML: null", f"{_MAPS}?dryRun=All", "~", headers=_YAML),
    post("YAML: a list", f"{_MAPS}?dryRun=All", "- a", headers=_YAML),
    post("YAML: a text", f"{_MAPS}?dryRun=All", "hello", headers=_YAML),
    post("YAML: nothing", f"{_MAPS}?dryRun=All", "", headers=_YAML),
    post("JSON: lists of 9,000 levels", f"{_MAPS}?dryRun=All",
         _object("v1", "ConfigMap", "two", '{"a":"b"},"x":' + "[" * 9000 + "]" * 9000), stays=_DEEP),
    post("JSON: lists of 11,000 levels", f"{_MAPS}?dryRun=All",
         _object("v1", "ConfigMap", "two", '{"a":"b"},"x":' + "[" * 11_000 + "]" * 11_000)),
]  # fmt: skip
_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
THEME = Theme(
    "bodies",
    "Bodies that are broken, or not objects",
    [*custom(definition(_OPEN)), *(request for kind in _KINDS for request in _of(*kind)), *_IN_YAML],
)

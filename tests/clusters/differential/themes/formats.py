"""String and number formats of schemas, with values that fit and values that nearly do."""

from __future__ import annotations

from typing import Any

from tests.clusters.differential.requests import OBJECTS, Theme, custom, definition, post

_VALUES: dict[str, list[Any]] = {
    "date": ["2020-02-29", "2021-02-29", "2020-1-1", "2020-01-01T00:00:00Z"],
    "date-time": [
        "2020-01-01T00:00:00Z", "2020-01-01T00:00:00.123456Z", "2020-01-01T00:00:00+01:00", "2020-01-01t00:00:00z",
        "2020-01-01 00:00:00Z", "2020-01-01T00:00:00", "2020-01-01T24:00:00Z", "2020-01-01T00:00Z",
        "2020-13-01T00:00:00Z",
    ],
    "duration": ["1h", "1h30m", "1.5h", "-1h", "10", "1 day", "1d", "1w", "PT1H", "1us", "3 hours", ""],
    "byte": ["YQ==", "YQ", "a b", ""],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000", "123e4567"],
    "uuid4": ["123e4567-e89b-42d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"],
    "ipv4": ["10.0.0.1", "10.0.0.256", "010.0.0.1", "::1"],
    "ipv6": ["::1", "fe80::1%eth0", "10.0.0.1", "::ffff:10.0.0.1"],
    "cidr": ["10.0.0.0/8", "10.0.0.1", "10.0.0.1/33", "fd00::/8"],
    "mac": ["00:00:5e:00:53:01", "00-00-5e-00-53-01", "0000.5e00.5301", "00:00"],
    "uri": ["https://example.org/a?b#c", "example", "/a/b", "a b", ""],
    "email": ["a@example.org", "a", "A <a@example.org>"],
    "hostname": ["example.org", "-a", "a_b", "a" * 64],
    "password": ["anything"],
    "isbn": ["978-3-16-148410-0", "123"],
    "isbn10": ["3161484100", "3161484101"],
    "isbn13": ["9783161484100"],
    "creditcard": ["4111 1111 1111 1111", "4111 1111 1111 1112"],
    "ssn": ["123-45-6789", "123"],
    "hexcolor": ["#fff", "fff", "#ggg"],
    "rgbcolor": ["rgb(1,2,3)", "rgb(300,2,3)"],
    "bsonobjectid": ["507f1f77bcf86cd799439011", "507f"],
    "k8s-short-name": ["my-name", "My-name", "a.b"],
    "k8s-long-name": ["my.name", "My.name"],
    "hostname-or-not": ["anything at all"],
}  # fmt: skip
_NUMBERS: dict[str, tuple[str, list[Any]]] = {
    "int32": ("integer", [2**31 - 1, 2**31]),
    "int64": ("integer", [2**63 - 1]),
    "float": ("number", [1.5]),
    "double": ("number", [1.5]),
}

_STAYS = "an empty text is valid base64, and Secrets have it"


def _schema() -> dict[str, Any]:
    fields: dict[str, Any] = {name: {"type": "string", "format": name} for name in _VALUES}
    fields |= {name: {"type": kind, "format": name} for name, (kind, _) in _NUMBERS.items()}
    spec = {"type": "object", "properties": fields}
    return {"type": "object", "properties": {"spec": spec}}


def _thing(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "$GROUP/v1", "kind": "Thing", "metadata": {"name": "one"}, "spec": spec}


THEME = Theme(
    "formats",
    "Formats",
    [
        *custom(definition(_schema())),
        *(
            post(
                f"{name} {value!r}"[:50],
                f"{OBJECTS}?dryRun=All",
                _thing(**{name: value}),
                stays=_STAYS if (name, value) == ("byte", "") else "",
            )
            for name, values in [*_VALUES.items(), *((name, values) for name, (_, values) in _NUMBERS.items())]
            for value in values
        ),
    ],
)

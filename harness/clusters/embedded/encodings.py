"""The forms in which an answer goes over the socket: JSON or YAML, and compressed where it is long."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson
import yaml

from harness.clusters.embedded.messages import JSON, YAML

__all__ = ["compressed", "media_of", "takes_gzip", "to_yaml", "zipped"]

ZIPPED_FROM = 128 << 10
"""Bytes from which on an answer is compressed, as in Kubernetes."""
_YAML_LIMIT = 256 << 10
"""Bytes of JSON that are written as YAML; JSON is YAML too, and a hundred times as fast."""
_LEVEL = 1
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def media_of(accept: str) -> str:
    """The media type that a client asks for first: JSON or YAML."""
    for clause in accept.split(","):
        media = clause.partition(";")[0].strip()
        if media in (JSON, "*/*"):
            return JSON
        if media == YAML:
            return YAML
    return JSON


def to_yaml(data: bytes) -> bytes:
    """A JSON document as YAML, as Go's library writes it."""
    if len(data) > _YAML_LIMIT:
        return data
    text: str = yaml.dump(
        orjson.loads(data), Dumper=_Quoting, default_flow_style=False, allow_unicode=True, width=1 << 30
    )
    return text.encode()


class _Quoting(_Dumper):  # type: ignore[misc, valid-type]
    """Writes text that would be read as something else in double quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, value: str) -> Any:
    plain = dumper.resolve(yaml.ScalarNode, value, (True, False)) == "tag:yaml.org,2002:str"
    style = "|" if "\n" in value else None if plain and value else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Quoting.add_representer(str, _text)


def takes_gzip(headers: Mapping[str, str]) -> bool:
    """Whether a client reads gzip."""
    return any(part.partition(";")[0].strip() == "gzip" for part in headers.get("Accept-Encoding", "").split(","))


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, _LEVEL)


def compressed(parts: Iterable[bytes]) -> Iterator[bytes]:
    """A long answer, compressed part by part."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    for part in parts:
        if piece := compressor.compress(part):
            yield piece
    yield compressor.flush()

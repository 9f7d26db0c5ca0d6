"""Which form of an answer a client wants, from its ``Accept`` header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.clusters.embedded.errors import StatusError
from harness.clusters.embedded.messages import JSON, YAML
from harness.clusters.embedded.protobuf import PROTOBUF
from harness.clusters.embedded.reading import METADATA, plain_form
from harness.clusters.embedded.state import State
from harness.clusters.embedded.tables import TableForm
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.watching import Presentation

__all__ = ["requested_form", "wants_protobuf"]

_METADATA_KINDS = ("PartialObjectMetadata", "PartialObjectMetadataList")


def wants_protobuf(accept: str, *, custom: bool = False) -> bool:
    """Whether protobuf is the first media type that a client names and the server has.

    Tables have no such form, nor do ``custom`` resources but for their metadata.
    """
    if PROTOBUF not in accept:
        return False
    for media, kind in _clauses(accept):
        forms: tuple[str | None, ...] = (None, *_METADATA_KINDS, "Table")
        if media == PROTOBUF:
            forms = _METADATA_KINDS if custom else (None, *_METADATA_KINDS)
        if media in (JSON, YAML, PROTOBUF, "*/*") and kind in forms:
            return media == PROTOBUF
    return False


def requested_form(
    served: ResourceType, accept: str, query: Mapping[str, str], state: State, *, listed: bool = False
) -> Presentation:
    """The first form that ``Accept`` names and the server has. Raises the 406 refusal.

    ``listed``: whether the answer is a list, and not an object or a watch.
    """
    if not accept or accept == JSON:
        return plain_form(served)
    known = False
    for media, kind in _clauses(accept):
        if media not in (JSON, YAML, PROTOBUF, "*/*") and not (served.custom and media == "application/*"):
            continue
        known = True
        if kind is None:
            if media == PROTOBUF and served.custom:
                continue
            return plain_form(served)
        if kind == "Table" and media != PROTOBUF:
            return TableForm(served, query.get("includeObject", ""), state.clock)
        if kind in _METADATA_KINDS:
            _check_number(served, kind, listed=listed)
            return METADATA
    served_types = f"{JSON}, {YAML}, {PROTOBUF}"
    if not known and not served.custom:
        raise StatusError(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {served_types}", {})
    raise StatusError(406, "NotAcceptable", f"only the following media types are accepted: {served_types}")


def _check_number(served: ResourceType, kind: str, *, listed: bool) -> None:
    """Raise the 406 refusal for the metadata of one object where the answer is a list, and for the reverse."""
    if kind.endswith("List") is listed:
        return
    package = served.group.partition(".")[0] or "core"
    known = "unstructured.Unstructured" if served.custom else f"{package}.{served.kind}"
    what = f"a list (*{known}List)" if listed else f"not a list (*{known})"
    raise StatusError(406, "NotAcceptable", f"you requested {kind}, but the requested object is {what}")


def _clauses(accept: str) -> Iterator[tuple[str, str | None]]:
    """The media types of a header, each with the kind that it asks for ``as``; an unknown one is the empty name."""
    for clause in accept.split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        options = dict(parameter.partition("=")[::2] for parameter in parameters)
        kind = options.get("as")
        if kind is not None and (options.get("g", "meta.k8s.io"), options.get("v", "v1")) != ("meta.k8s.io", "v1"):
            kind = ""
        yield media, kind

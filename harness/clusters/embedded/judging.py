"""Judging a new or changed object: pruned, completed and validated, or refused."""

from __future__ import annotations

from typing import Any

import orjson

from harness.clusters.embedded import errors, metadata
from harness.clusters.embedded.body_checks import in_version
from harness.clusters.embedded.builtin import CRD_TYPE
from harness.clusters.embedded.definition_form import keep_null_properties
from harness.clusters.embedded.definitions import complete_definition, established_status, new_status
from harness.clusters.embedded.errors import Cause, StatusError, bad_request
from harness.clusters.embedded.kinds.decoding import decoding_problem
from harness.clusters.embedded.kinds.empties import drop_empties, fill_texts
from harness.clusters.embedded.kinds.quantities import write_quantities
from harness.clusters.embedded.lifecycle import Lifecycle
from harness.clusters.embedded.scale import check_replicas
from harness.clusters.embedded.schema import CAUSES_LIMIT
from harness.clusters.embedded.state import State
from harness.clusters.embedded.types import ResourceType
from harness.clusters.embedded.values import Object, drop_nulls
from harness.clusters.embedded.write_options import Options

__all__ = ["Judge"]

_OBJECT_LIMIT, _MESSAGE_LIMIT = 3 << 19, 2 << 20
"""Bytes of an object's JSON: what etcd stores by default, and what a client may send it."""
_EMPTY: tuple[Any, ...] = (None, {}, [])


class Judge:
    """Judges objects of every type."""

    def __init__(self, state: State, lifecycle: Lifecycle) -> None:
        self._state = state
        self._lifecycle = lifecycle

    def admit(
        self,
        served: ResourceType,
        new: Object,
        stored: Object | None,
        options: Options,
        subresource: str = "",
        *,
        applied: bool = False,
        patched: bool = False,
    ) -> tuple[Object, list[str]]:
        """Prune, default, validate, complete. ``new`` comes in the served form and leaves in the stored one.

        Null that comes from a merge of what was ``applied`` stays, and is refused where a field may not have it.
        """
        old = served.from_storage(stored) if stored is not None and served.from_storage else stored
        if not served.custom:
            try:
                write_quantities(served, new, old)
            except ValueError as error:
                raise bad_request(f"{in_version(served)}: {error}") from error
            fill_texts(dict(served.schema.raw), new, old)
            if served is CRD_TYPE:
                keep_null_properties(new)
            drop_nulls(new, old)
            drop_empties(dict(served.schema.raw), new, old)
        if old is None or new["metadata"] is not old["metadata"]:
            new["metadata"] = {name: item for name, item in new["metadata"].items() if item not in _EMPTY}
        unknown: list[str] = []
        served.schema.prune(new, old, "", unknown, nulls=applied)
        warnings = self._unknown(served, unknown, options, new if patched else None)
        causes: list[Cause] = []
        served.schema.default(new, old, options.budget)
        served.schema.validate(new, old, "", causes, options.budget)
        if served.custom and served.scale is not None:
            causes += check_replicas(new, served.scale)
        if not served.custom:  # Go looks for duplicates in a kind's own rules.
            causes = [cause for cause in causes if cause.reason != "FieldValueDuplicate"]
        if served.custom:
            served.schema.judge_valid(new, old, causes, options.budget)
        wrong_types = [cause for cause in causes if cause.reason == "FieldValueTypeInvalid"]
        if wrong_types and not served.custom:
            problem = decoding_problem(served.kind, dict(served.schema.raw), new)
            raise bad_request(f"{in_version(served)}: {problem or wrong_types[0]}")
        meta = new["metadata"]
        if not wrong_types and (old is None or meta is not old["metadata"]):
            causes.extend(metadata.check_metadata(meta, served.plural, served.path_names))
        if served.to_storage:
            new = served.to_storage(new)
        if served.prepare is not None and not wrong_types:
            causes.extend(served.prepare(new, stored) or ())
        is_definition = served is CRD_TYPE and (stored is None or subresource != "status")
        if causes and not is_definition:
            if subresource == "status":
                causes = [_of_status(cause) for cause in causes]
            raise errors.invalid(served.group, served.kind, meta.get("name", ""), causes[:CAUSES_LIMIT])
        if is_definition:
            warnings += complete_definition(new, stored, options.budget, causes)
            new["status"] = new_status(new) if stored is None else self.established(new)
        if options.approve is not None:
            options.approve(new)
        _check_size(new)
        return new, warnings

    @staticmethod
    def _unknown(served: ResourceType, unknown: list[str], options: Options, patched: Object | None) -> list[str]:
        """Return the warnings about fields that were dropped.

        Raises the refusal where validation is strict: 400, and 422 for an object that a patch has made.
        """
        said = [f'duplicate field "{path}"' for path in options.repeated]
        said += [f'unknown field "{path}"' for path in sorted(unknown)[:CAUSES_LIMIT]]
        if said and options.validation == "Strict" and patched is not None:
            detail = f"strict decoding error: {', '.join(said)}"
            raise errors.invalid("", "", "", [errors.invalid_value("patch", errors.show(patched), detail)])
        if said and options.validation == "Strict":
            raise bad_request(f"{in_version(served)}: strict decoding error: {', '.join(said)}")
        return said if options.validation == "Warn" else []

    def established(self, definition: Object) -> Object:
        """The status of a definition that is served, as far as its names are free."""
        return established_status(definition, self._lifecycle.kinds_taken(definition), self._state.now())


def _check_size(stored: Object) -> None:
    """Raise the refusal for an object that grew too large, by defaults or patch by patch."""
    try:
        size = len(orjson.dumps(stored))
    except orjson.JSONEncodeError as error:
        raise bad_request(f"the object is not JSON: {error}") from error
    if size > _MESSAGE_LIMIT:
        what = f"trying to send message larger than max ({size} vs. {_MESSAGE_LIMIT})"
        raise StatusError(500, "", f"rpc error: code = ResourceExhausted desc = {what}")
    if size > _OBJECT_LIMIT:
        raise StatusError(500, "", "etcdserver: request is too large")


def _of_status(cause: Cause) -> Cause:
    """A fault in the words of a write to the status, which is judged by itself."""
    return Cause(cause.reason, cause.field, cause.message.replace(": status.", ": ").replace('"status.', '"'))

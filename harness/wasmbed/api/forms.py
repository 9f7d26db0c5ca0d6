"""The forms of texts in bodies, as patterns for the schemas and as words for people."""

from __future__ import annotations

from collections.abc import Mapping

from harness.wasmbed.resources.durations import DURATION

__all__ = ["BOARD_KIND", "FORMS", "LABEL_KEY", "LABEL_VALUE", "LONGEST_NAME", "NAME", "ONE_LINE"]

NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
LONGEST_NAME = 63
"""Of a resource (RFC 1123 label)."""
BOARD_KIND = r"^[a-z0-9][-a-z0-9+_]*$"
ONE_LINE = "^[ -~]+$"
_NAME_PART = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DOMAIN = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?){0,3}"
LABEL_KEY = f"^({_DOMAIN}/)?{_NAME_PART}$"
LABEL_VALUE = f"^({_NAME_PART})?$"
"""Labels as Kubernetes takes them."""

FORMS: Mapping[str, str] = {
    NAME: "write lower-case letters, digits, and hyphens between them, for example pump-1",
    DURATION: "write a whole number with the unit ms, s, m or h, for example 30s",
    BOARD_KIND: "write a kind that wasmbed boards lists, for example mps2-an385",
    ONE_LINE: "write one line of printable ASCII characters",
    LABEL_KEY: "write a label's key as Kubernetes takes it, for example site or example.com/site",
    LABEL_VALUE: "write a label's value as Kubernetes takes it: letters, digits, and - _ . between them",
}
"""Words for people, by the pattern that a text did not match."""

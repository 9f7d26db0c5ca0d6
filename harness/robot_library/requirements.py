"""Leaves out tests that ask, by tags like ``requires:applications``, for what the run does not have."""

from __future__ import annotations

from robot import running
from robot.utils import escape

__all__ = ["REQUIRES", "replace_body"]

REQUIRES = "requires"
"""The kind of tag; its value is a feature of the boards, the gateway, the system, or the stack."""


def replace_body(test: running.TestCase, keyword: str, message: str) -> None:
    """Let a test that is about to run be one keyword of Robot's, ``Skip`` or ``Fail``, with this message."""
    test.setup = test.teardown = None
    test.body.clear()
    test.body.create_keyword(f"BuiltIn.{keyword}", args=[escape(message)])

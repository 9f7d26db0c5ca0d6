"""The kit for gateways: three kinds pass, and a gateway with a defect fails the check of that defect."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import ProductFailure, UsageError
from harness.stack.options import StackOptions
from harness.testing.gateway import GATEWAY_CHECKS, check_gateway
from tests.gateways.commands import described, ours

KINDS = ("reference", "process", "command")


def options(kind: str, folder: Path) -> StackOptions:
    return ours(folder) if kind == "command" else StackOptions(gateway=kind)


@pytest.mark.parametrize("check", GATEWAY_CHECKS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_kind_keeps_a_rule(kind: str, check: str, tmp_path: Path) -> None:
    """Each rule on each kind; all of them apply to these."""
    outcomes: dict[str, str] = {}
    await check_gateway(options(kind, tmp_path), only=[check], progress=outcomes.__setitem__)
    assert outcomes == {check: "passed"}


async def test_a_rule_of_a_feature_that_a_gateway_lacks_is_left_out(tmp_path: Path) -> None:
    """A gateway that runs already is neither stopped nor killed: those rules are left out without a start."""
    outcomes: dict[str, str] = {}
    options = described(tmp_path, 'kind = "endpoint"\ndevices = "127.0.0.1:1"\n')
    await check_gateway(options, only=["dies_without_a_word", "runs_beside_another"], progress=outcomes.__setitem__)
    assert set(outcomes.values()) == {"left out"}


async def test_a_program_that_is_no_gateway_fails_by_name(tmp_path: Path) -> None:
    """It listens, and speaks no TLS: the verdict names the rules."""
    server = (
        "import socket,sys; s=socket.create_server(('127.0.0.1', int(sys.argv[1])));\nwhile True: s.accept()[0].close()"
    )
    (tmp_path / "deaf.py").write_text(server)
    table = f"command = ['{__import__('sys').executable}', 'deaf.py', '{{device_port}}']\n"
    with pytest.raises(ProductFailure, match="1 of 1 gateway checks failed: is_trusted_by_boards"):
        await check_gateway(described(tmp_path, table), only=["is_trusted_by_boards"])


async def test_an_unknown_check_is_named() -> None:
    with pytest.raises(UsageError, match="unknown check 'flies'"):
        await check_gateway("reference", only=["flies"])

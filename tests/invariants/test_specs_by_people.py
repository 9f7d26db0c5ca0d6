"""Judges of gateways take what people write into specs into account."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.invariants.story import KEY, OTHER_KEY, Story


@pytest.mark.parametrize(("told", "convicts"), [(700, False), (30_000, False), (800, True)])
def test_an_interval_in_the_gateway_s_spec_may_be_given(told: int, convicts: bool) -> None:
    story = Story()
    story.gateway_up(heartbeatInterval=30_000)
    story.writes("User", "PATCH Gateway", "gateway-1", spec={"config": {"heartbeatInterval": "700ms"}})
    story.state("Gateway", "gateway-1", spec={"config": {"heartbeatInterval": "700ms"}})
    story.connects()
    story.asks()
    story.responds(heartbeatInterval=told)
    assert ("heartbeat interval" in {violation.rule for violation in story.violations()}) is convicts


@pytest.mark.parametrize("keyless", [True, False])
def test_a_gateway_gives_a_key_to_a_device_that_has_none_and_replaces_no_key(keyless: bool) -> None:
    story = Story()
    key, other = (b64encode(each).decode() for each in (KEY, OTHER_KEY))
    story.state("Device", "pump-1", "added", spec={"board": {"kind": "virtual"}} if keyless else {"publicKey": other})
    story.writes("Gateway", "PATCH Device", "pump-1", spec={"publicKey": key})
    story.state("Device", "pump-1", spec={"publicKey": key})
    assert ("one key a device" in {violation.rule for violation in story.violations()}) is not keyless

"""Each program under its own role, on a server with RBAC: what it asks for is allowed, and it asks for all it may."""

from __future__ import annotations

import asyncio
import re
import signal
from base64 import b64encode
from hashlib import sha256

import pytest
import wasmtime

from harness.boards.board import BoardEnvironment, BoardSettings, Credentials
from harness.boards.virtual import VirtualTier
from harness.cli.secrets import GATEWAYS
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.wasmbed.pki.keys import generate_key, private_key_der
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.names import (
    MODULE_KEY,
    PURPOSE_LABEL,
    PURPOSE_PAIRING,
    TOKEN_KEY,
    module_config_map,
    pairing_secret,
)
from tests.deploy.callers import read_console, use_everything, use_infrastructure
from tests.deploy.conftest import DEPLOY
from tests.deploy.installation import WITHIN, Installation
from tests.deploy.server import NAMESPACE, AuditedServer

pytestmark = pytest.mark.system("kube-apiserver")

CONTROLLERS = ("device", "application", "gateway")
HELLO = DEPLOY.parent / "scenarios" / "modules" / "hello.wat"
RARE = {
    ("wasmbed-gateway", "get", "wasmbed.io", "devices"): "a write was overtaken by another, or its answer lost",
    ("wasmbed-application-controller", "patch", "", "events"): "the same happened to an application within ten minutes",
    ("wasmbed-gateway-controller", "patch", "", "events"): "as above, to a gateway",
}
"""Grants for what happens only in a race or after a failure, which this test does not cause, with when that is."""


async def pair(installation: Installation, gateway: str) -> None:
    """Let a board enroll that has a pairing token and no certificate."""
    token = Randomness().token()
    metadata = {"name": pairing_secret("pump-1"), "labels": {PURPOSE_LABEL: PURPOSE_PAIRING}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {TOKEN_KEY: token}}
    installation.create(secret)
    host, _, port = gateway.rpartition(":")
    authority = installation.read(GATEWAYS, "ca-cert.der")
    credentials = Credentials(authority, private_key_der(generate_key()), pairing_token=token)
    settings = BoardSettings("pump-1", credentials, (host, int(port)), server_name=host)
    board = VirtualTier().make("virtual", settings, BoardEnvironment(SystemClock(), SystemNetwork(), Randomness()))
    await board.power_on()
    try:
        await asyncio.to_thread(installation.until, "device/pump-1", "Connected")
    finally:
        await board.cut_power()


async def test_each_program_has_the_rights_that_it_uses(server: AuditedServer, installation: Installation) -> None:
    """A device enrolls, another pairs, Devices ask for boards, applications run and end, a gateway is restarted and one
    is killed: the server refused nothing, and each rule of each role was used."""
    managers = [installation.controller(name) for name in CONTROLLERS]
    gateway, address = installation.gateway()
    boards = installation.boards(address)
    device = "pod-0-virtual-1"
    installation.until(f"device/{device}", "Connected")

    module = bytes(wasmtime.wat2wasm(HELLO.read_text()))
    installation.create(manifests.application("inside", module=module, device_names=[device]))
    reference = sha256(module).hexdigest()
    stored = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": module_config_map(reference)}}
    installation.create({**stored, "binaryData": {MODULE_KEY: b64encode(module).decode()}})
    installation.create(manifests.application("stored", reference=reference, device_names=[device]))
    for name in ("inside", "stored"):
        installation.until(f"application/{name}", "Running")
    described = server.kubectl("describe", f"-n{NAMESPACE}", f"device/{device}")
    assert re.search(r"Normal +Connected .* wasmbed-controllers +connected to gateway wasmbed-gateway-0", described)
    server.kubectl("delete", f"-n{NAMESPACE}", "application", "inside", WITHIN)
    await pair(installation, address)
    api, url = installation.rest_api()
    token = await use_everything(server, installation, url, module, device, "wasmbed-gateway-0")
    infrastructure, infrastructure_url = installation.infrastructure()
    await use_infrastructure(infrastructure_url, token)
    emulators = installation.emulators(address)
    for name in ("asked-1", "asked-2"):
        installation.create(manifests.device_with_board(name, "virtual"))
        installation.until(f"device/{name}", "Connected")
    installation.stop(emulators, signal.SIGKILL)
    emulators = installation.emulators(address)  # writes another address and token
    installation.create(manifests.device_with_board("asked-3", "virtual"))
    installation.until("device/asked-3", "Connected")
    assert "virtual board started by wasmbed-emulators-0" in await read_console(url, token, "asked-3")
    server.kubectl("delete", f"-n{NAMESPACE}", "device", "asked-1", WITHIN)

    # A renewal of a lease that somebody has changed reads it again.
    for name in CONTROLLERS:
        server.kubectl("wait", f"-n{NAMESPACE}", f"lease/wasmbed-{name}-controller", "--for=create", WITHIN)
    server.kubectl("annotate", f"-n{NAMESPACE}", "leases", "--all", "example/changed=yes")
    await server.until_asked(SystemClock(), ("wasmbed-emulators", "get", "leases"))
    assert installation.stop(emulators) == 0, emulators.said  # a board is on
    assert installation.stop(gateway) == 0
    installation.until("gateway/wasmbed-gateway-0", "Offline")
    assert installation.stop(boards) == 0
    # A device that comes back with other firmware.
    server.kubectl("patch", f"-n{NAMESPACE}", "device", device, "--type=merge", '-p={"spec":{"firmwareVersion":"0"}}')
    gateway, address = installation.gateway()
    installation.boards(address)
    installation.until(f"device/{device}", "Connected")
    installation.stop(gateway, signal.SIGKILL)
    installation.until("gateway/wasmbed-gateway-0", "Offline")
    installation.until(f"device/{device}", "Disconnected")
    await server.until_asked(SystemClock(), *((f"wasmbed-{name}-controller", "get", "leases") for name in CONTROLLERS))
    for program in (*managers, api, infrastructure):
        assert installation.stop(program) == 0, program.said

    granted = dict(installation.granted())
    accounts = {account for account, *_ in granted}
    asked = [request for request in server.requests() if request.account in accounts]
    assert [request for request in asked if not request.allowed] == []
    used = {(request.account, request.verb, request.group, request.resource) for request in asked}
    assert sorted(set(granted) - used - set(RARE)) == []


def test_a_gateway_without_its_role_says_so(server: AuditedServer, installation: Installation) -> None:
    """Its log has each right that it lacks, and it ends as the equipment's failure, so that the kubelet tries again."""
    options = [*installation.gateway_options("wasmbed-boards"), "--listen=127.0.0.1:0", "--set", "start_timeout=2"]
    program = installation.start(*options, ready="that the gateway may use them")
    assert installation.stop(program) == 3
    assert "error: gateway wasmbed-gateway-0: the API server did not let the gateway begin" in program.said
    assert 'wasmbed-boards" cannot list resource "devices" in API group "wasmbed.io"' in program.said

"""Each program under its own role, on a server with RBAC: what it asks for is allowed, and it asks for all it may."""

from __future__ import annotations

import asyncio
import json
import signal
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import wasmtime
import yaml

from harness.boards.board import BoardEnvironment, BoardSettings, Credentials
from harness.boards.virtual import VirtualTier
from harness.cli.main import run
from harness.cli.secrets import DEVICES, GATEWAYS, IDENTITY
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
from tests.cli.command import Command
from tests.deploy.conftest import DEPLOY
from tests.deploy.server import NAMESPACE, AuditedServer, build, of_kind

pytestmark = pytest.mark.system("kube-apiserver")

CONTROLLERS = ("device", "application", "gateway")
HELLO = DEPLOY.parent / "scenarios" / "modules" / "hello.wat"
WITHIN = "--timeout=120s"
Grant = tuple[str, str, str, str]
"""Account, verb, group, resource."""

RARE = {("wasmbed-gateway", "get", "wasmbed.io", "devices"): "a write was overtaken by another, or its answer lost"}
"""Grants for what happens only in a race or after a failure, which this test does not cause, with when that is."""


class Installation:
    """The local overlay, applied, and its programs as processes, each with the token of its ServiceAccount."""

    def __init__(self, server: AuditedServer, objects: list[dict[str, Any]], folder: Path) -> None:
        self._server, self._folder = server, folder
        self._running: list[Command] = []
        self.objects = objects
        server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=yaml.safe_dump_all(objects))

    def add_secrets(self, text: str) -> None:
        """Apply them, and lay their files out as the pods' volumes are."""
        self._server.kubectl("apply", "-f", "-", given=text)
        for secret in yaml.safe_load_all(text):
            place = self._folder / secret["metadata"]["name"]
            place.mkdir()
            for name, content in secret["data"].items():
                (place / name).write_bytes(b64decode(content))

    def file(self, secret: str, name: str) -> str:
        return str(self._folder / secret / name)

    def read(self, secret: str, name: str) -> bytes:
        return (self._folder / secret / name).read_bytes()

    def start(self, *arguments: str, ready: str) -> Command:
        program = Command(*arguments)
        self._running.append(program)
        program.until(ready)
        return program

    def controller(self, name: str) -> Command:
        access = self._server.access(f"wasmbed-{name}-controller")
        options = (f"--only={name}", "--http=127.0.0.1:0", f"--kubeconfig={access}", f"--namespace={NAMESPACE}")
        return self.start("controllers", *options, ready="ready http=")

    def gateway_options(self, account: str = "wasmbed-gateway") -> list[str]:
        """The command line of the first pod's gateway, under an account."""
        options = ["gateway", "--name=wasmbed-gateway-0", "--listen=127.0.0.1:0", "--http=127.0.0.1:0"]
        options += ["--set", "last_seen_interval=2"]
        for number in (1, 2):
            options += ["--certificate", self.file(IDENTITY, f"cert-{number}.der")]
            options += ["--key", self.file(IDENTITY, f"key-{number}.der")]
        options += ["--device-authority", self.file(DEVICES, "ca-cert.der")]
        options += ["--device-authority-key", self.file(DEVICES, "ca-key.der")]
        return [*options, "--kubeconfig", str(self._server.access(account)), "--namespace", NAMESPACE]

    def gateway(self) -> tuple[Command, str]:
        """Start it; returns it and where it listens for devices."""
        program = self.start(*self.gateway_options(), ready="ready devices=")
        program.until("\n")
        line = next(line for line in program.said.splitlines() if line.startswith("ready"))
        return program, line.split("devices=")[1].split(" ")[0]

    def boards(self, gateway: str) -> Command:
        options = ["--boards=virtual=1", "--name=pod-0", f"--gateway={gateway}", f"--state={self._folder / 'state'}"]
        options += ["--gateway-authority", self.file(GATEWAYS, "ca-cert.der")]
        options += ["--device-authority", self.file(DEVICES, "ca-cert.der")]
        options += ["--device-authority-key", self.file(DEVICES, "ca-key.der")]
        return self.start("emulate", *options, ready="running 1 boards")

    def create(self, manifest: dict[str, Any]) -> None:
        self._server.kubectl("create", f"-n{NAMESPACE}", "-f", "-", given=json.dumps(manifest))

    def until(self, what: str, phase: str) -> None:
        """Wait until a resource exists and is in a phase."""
        for condition in ("create", f"jsonpath={{.status.phase}}={phase}"):
            self._server.kubectl("wait", f"-n{NAMESPACE}", what, f"--for={condition}", WITHIN)

    def granted(self) -> Iterator[tuple[Grant, frozenset[str]]]:
        """Everything that the roles allow, with the names of objects; no names: any."""
        for role in of_kind(self.objects, "Role"):
            for rule in role["rules"]:
                for verb in rule["verbs"]:
                    for resource in rule["resources"]:
                        names = frozenset(rule.get("resourceNames", ()))
                        yield (role["metadata"]["name"], verb, rule["apiGroups"][0], resource), names

    def stop(self, program: Command, number: signal.Signals = signal.SIGTERM) -> int:
        """End a program; returns its exit code."""
        self._running.remove(program)
        return program.end(number)

    def kill(self) -> None:
        """Kill those that still run."""
        for program in tuple(self._running):
            self.stop(program, signal.SIGKILL)


@pytest.fixture
def installation(
    server: AuditedServer, tool: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Installation]:
    objects = build(tool("kustomize"), DEPLOY / "kustomize" / "overlays" / "local")
    found = Installation(server, objects, tmp_path)
    assert run(["secrets", str(tmp_path / "authorities"), "--host=localhost", "--host=127.0.0.1"]) == 0
    found.add_secrets(capsys.readouterr().out)
    yield found
    found.kill()


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
    """A device enrolls, another pairs, applications run and end, a gateway is restarted and one is killed: the server
    refused nothing, and each rule of each role was used."""
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
    server.kubectl("delete", f"-n{NAMESPACE}", "application", "inside", WITHIN)
    await pair(installation, address)

    # A renewal of a lease that somebody has changed reads it again.
    for name in CONTROLLERS:
        server.kubectl("wait", f"-n{NAMESPACE}", f"lease/wasmbed-{name}-controller", "--for=create", WITHIN)
    server.kubectl("annotate", f"-n{NAMESPACE}", "leases", "--all", "example/changed=yes")
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
    for manager in managers:
        assert installation.stop(manager) == 0, manager.said

    granted = dict(installation.granted())
    accounts = {account for account, *_ in granted}
    asked = [request for request in server.requests() if request.account in accounts]
    assert [request for request in asked if not request.allowed] == []
    used = {(request.account, request.verb, request.group, request.resource) for request in asked}
    assert sorted(set(granted) - used - set(RARE)) == []


def test_a_gateway_without_its_role_says_so(server: AuditedServer, installation: Installation) -> None:
    """Its log has each right that it lacks, and it ends as the equipment's failure, so that the kubelet tries again."""
    options = [*installation.gateway_options("wasmbed-boards"), "--set", "start_timeout=2"]
    program = installation.start(*options, ready="that the gateway may use them")
    assert installation.stop(program) == 3
    assert "error: gateway wasmbed-gateway-0: the API server did not let the gateway begin" in program.said
    assert 'wasmbed-boards" cannot list resource "devices" in API group "wasmbed.io"' in program.said

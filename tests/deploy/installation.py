"""An installation whose programs run here as processes, each with the token of its ServiceAccount."""

from __future__ import annotations

import json
import signal
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from harness.cli.secrets import DEVICES, GATEWAYS, IDENTITY
from tests.cli.command import Command
from tests.deploy.server import NAMESPACE, AuditedServer, of_kind

WITHIN = "--timeout=120s"
Grant = tuple[str, str, str, str]
"""Account, verb, group, resource."""


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

    def emulators(self, gateway: str) -> Command:
        options = [f"--gateway={gateway}", "--identity=wasmbed-emulators-0", "--lease-duration=5"]
        options += ["--gateway-authority", self.file(GATEWAYS, "ca-cert.der")]
        options += ["--device-authority", self.file(DEVICES, "ca-cert.der")]
        options += ["--device-authority-key", self.file(DEVICES, "ca-key.der")]
        access = self._server.access("wasmbed-emulators")
        return self.start(
            "emulators", *options, f"--kubeconfig={access}", f"--namespace={NAMESPACE}", ready="ready http="
        )

    def infrastructure(self) -> tuple[Command, str]:
        """Start it; returns it and its URL."""
        options = [str(self._folder / "infrastructure"), "--device-authority", self.file(DEVICES, "ca-cert.der")]
        options += ["--device-authority-key", self.file(DEVICES, "ca-key.der"), "--http=127.0.0.1:0"]
        access = self._server.access("wasmbed-infrastructure")
        program = self.start(
            "infrastructure", *options, f"--kubeconfig={access}", f"--namespace={NAMESPACE}", ready="ready http="
        )
        return program, _url(program)

    def rest_api(self) -> tuple[Command, str]:
        """Start it; returns it and its URL."""
        access = self._server.access("wasmbed-rest-api")
        options = ("--http=127.0.0.1:0", f"--kubeconfig={access}", f"--namespace={NAMESPACE}")
        program = self.start("api", *options, ready="ready http=")
        return program, _url(program)

    def gateway_options(self, account: str = "wasmbed-gateway", *, name: str = "wasmbed-gateway-0") -> list[str]:
        """The command line of a pod's gateway, under an account."""
        options = ["gateway", f"--name={name}", "--http=127.0.0.1:0"]
        options += ["--set", "last_seen_interval=2"]
        for number in (1, 2):
            options += ["--certificate", self.file(IDENTITY, f"cert-{number}.der")]
            options += ["--key", self.file(IDENTITY, f"key-{number}.der")]
        options += ["--device-authority", self.file(DEVICES, "ca-cert.der")]
        options += ["--device-authority-key", self.file(DEVICES, "ca-key.der")]
        return [*options, "--kubeconfig", str(self._server.access(account)), "--namespace", NAMESPACE]

    def gateway(self) -> tuple[Command, str]:
        """Start it; returns it and where it listens for devices."""
        program = self.start(*self.gateway_options(), "--listen=127.0.0.1:0", ready="ready devices=")
        program.until("\n")
        line = next(line for line in program.said.splitlines() if line.startswith("ready"))
        return program, line.split("devices=")[1].split(" ")[0]

    def boards(self, gateway: str) -> Command:
        return self.start("emulate", *self.boards_options(gateway), ready="running 1 boards")

    def boards_options(self, gateway: str, count: int = 1) -> list[str]:
        """The command line of a pod's boards."""
        options = [f"--boards=virtual={count}", "--name=pod-0"]
        options += [f"--gateway={gateway}", f"--state={self._folder / 'state'}"]
        options += ["--gateway-authority", self.file(GATEWAYS, "ca-cert.der")]
        options += ["--device-authority", self.file(DEVICES, "ca-cert.der")]
        return [*options, "--device-authority-key", self.file(DEVICES, "ca-key.der")]

    def create(self, manifest: dict[str, Any]) -> None:
        self._server.kubectl("create", f"-n{NAMESPACE}", "-f", "-", given=json.dumps(manifest))

    def until(self, what: str, value: str, *, of: str = "phase") -> None:
        """Wait until a resource exists and its status has a value, by default a phase."""
        for condition in ("create", f"jsonpath={{.status.{of}}}={value}"):
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


def _url(program: Command) -> str:
    """Where a program that is ready serves."""
    program.until("\n")
    line = next(line for line in program.said.splitlines() if line.startswith("ready"))
    return "http://" + line.split("http=")[1]

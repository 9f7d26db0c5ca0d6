"""Several gateways as the production overlay runs them: each has an address of its own, so devices are placed."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli.secrets import GATEWAYS
from harness.core.ports import on_free_port
from harness.wasmbed.gateway.placement import Candidate, choose_home
from tests.cli.command import HUNG
from tests.deploy.conftest import DEPLOY
from tests.deploy.installation import Installation
from tests.deploy.server import NAMESPACE, build, of_kind
from tests.deploy.test_manifests import template

pytestmark = [
    pytest.mark.system("kube-apiserver"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces everywhere"),
]

BOARDS = 8
PODS = {"wasmbed-gateway-0": "127.0.17.1", "wasmbed-gateway-1": "127.0.17.2"}
"""Where each gateway listens here, as its Service's address."""
WITH_NAMES = 'mount --make-rprivate / && mount --bind "$1" /etc/hosts && shift && exec "$@"'
"""Runs a program that knows other host names than the machine, as a pod does by the cluster's DNS."""


def environment(container: dict[str, Any], pod: str) -> dict[str, str]:
    """A container's variables as a kubelet expands them."""
    known = {"metadata.name": pod, "metadata.namespace": NAMESPACE}
    values: dict[str, str] = {}
    for each in container["env"]:
        if "valueFrom" in each:
            values[each["name"]] = known[each["valueFrom"]["fieldRef"]["fieldPath"]]
        else:
            values[each["name"]] = re.sub(r"\$\((\w+)\)", lambda found: values[found[1]], each["value"])
    return values


def free_port() -> int:
    """A port that is free at all of the gateways' addresses."""

    def everywhere(port: int) -> int:
        for address in PODS.values():
            with socket.create_server((address, port)):
                pass
        return port

    return on_free_port(everywhere)


@pytest.fixture
def boards(installation: Installation, tmp_path: Path) -> Iterator[Callable[[str, int], None]]:
    """Starts boards that know the gateways by the names of the overlay; they end with the test."""
    running: list[subprocess.Popen[str]] = []

    def start(gateway: str, count: int) -> None:
        hosts = tmp_path / "hosts"
        names = {f"{pod}.gateways.example": address for pod, address in PODS.items()}
        names |= {"wasmbed-devices.wasmbed.svc": PODS["wasmbed-gateway-0"], "localhost": "127.0.0.1"}
        hosts.write_text("".join(f"{address} {name}\n" for name, address in names.items()))
        program = (sys.executable, "-m", "harness.cli", "emulate", *installation.boards_options(gateway, count))
        command = ("unshare", "--mount", "sh", "-c", WITH_NAMES, "sh", str(hosts), *program)
        started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=DEPLOY.parent)
        running.append(started)
        assert started.stdout is not None
        assert started.stdout.readline() == f"running {count} boards\n"

    yield start
    for each in running:
        each.terminate()
        each.communicate(timeout=HUNG)


def test_devices_are_placed_among_gateways_by_their_addresses(
    installation: Installation, tool: Callable[[str], Path], boards: Callable[[str, int], None]
) -> None:
    """They know one Service, and each is served by its home, under the overlay's names; only the port is another."""
    objects = build(tool("kustomize"), DEPLOY / "kustomize" / "overlays" / "production")
    (gateways,) = (each for each in of_kind(objects, "StatefulSet") if each["metadata"]["name"] == "wasmbed-gateway")
    port = free_port()
    installation.controller("device")
    for pod, address in PODS.items():
        advertised = environment(template(gateways)["containers"][0], pod)["WASMBED_GATEWAY_ADVERTISE"]
        assert advertised == f"{pod}.gateways.example:8081"
        options = [f"--listen={address}:{port}", f"--advertise={advertised.replace(':8081', f':{port}')}"]
        installation.start(*installation.gateway_options(name=pod), *options, ready="ready devices=")
        installation.until(f"gateway/{pod}", "Online")
        context = ssl.create_default_context(cadata=installation.read(GATEWAYS, "ca-cert.der"))
        with socket.create_connection((address, port)) as plain:
            context.wrap_socket(plain, server_hostname=f"{pod}.gateways.example").close()
    boards(f"wasmbed-devices.wasmbed.svc:{port}", BOARDS)
    candidates = [Candidate(pod, "") for pod in PODS]
    homes = {}
    for number in range(1, BOARDS + 1):
        home = choose_home(f"pod-0-virtual-{number}", None, candidates)
        assert home is not None
        homes[f"pod-0-virtual-{number}"] = home.name
    assert set(homes.values()) == set(PODS)
    for device, home in homes.items():
        installation.until(f"device/{device}", home, of="gateway")
        installation.until(f"device/{device}", "Connected")

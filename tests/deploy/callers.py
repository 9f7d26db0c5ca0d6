"""A caller of an installation's REST API who asks for everything that it can do."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import aiohttp

from tests.deploy.installation import Installation
from tests.deploy.server import NAMESPACE, AuditedServer, of_kind

API = "wasmbed-rest-api"
COMMANDS = ("pods api-0", "services api", "devices {}", "applications stored", "gateways {}", "events", "configmaps")


def make_caller(server: AuditedServer, role: str) -> str:
    """Make an account with a role of the callers; returns its token."""
    server.kubectl("create", f"-n{NAMESPACE}", "serviceaccount", role)
    account = f"--serviceaccount={NAMESPACE}:{role}"
    server.kubectl("create", f"-n{NAMESPACE}", "rolebinding", role, f"--clusterrole=wasmbed-{role}", account)
    return server.kubectl("create", "token", role, f"-n{NAMESPACE}").strip()


async def use_everything(
    server: AuditedServer, installation: Installation, url: str, module: bytes, device: str, gateway: str
) -> str:
    """Make the server use each right that it has; returns the token of a caller with the role ``admin``. There are the
    applications ``stored`` and the device and the gateway of these names."""
    metadata = {"name": "api-0", "labels": {"app.kubernetes.io/component": "api"}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    (deployment,) = (each for each in of_kind(installation.objects, "Deployment") if each["metadata"]["name"] == API)
    installation.create({**pod, "spec": deployment["spec"]["template"]["spec"]})
    ports = {"ports": [{"port": 1}]}
    installation.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"}, "spec": ports})
    token = make_caller(server, "admin")
    # Its right to Secrets: the terminal needs it, and no role of callers has it.
    server.kubectl("create", f"-n{NAMESPACE}", "role", "secrets", "--verb=list", "--resource=secrets")
    account = f"--serviceaccount={NAMESPACE}:admin"
    server.kubectl("create", f"-n{NAMESPACE}", "rolebinding", "secrets", "--role=secrets", account)
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:

        async def ask(method: str, path: str, body: Any = None, *statuses: int) -> None:
            async with session.request(method, path, json=body) as answer:
                said = await answer.text()
                assert answer.status in (statuses or (200, 201)), (method, path, said)

        for name in ("one", "two"):
            await ask("POST", "/api/v1/devices", {"name": name})
        await ask("DELETE", "/api/v1/devices/one")
        await ask("PATCH", f"/api/v1/devices/{device}", {"labels": {"site": "a"}})
        body = {"name": "asked", "wasmBytes": b64encode(module).decode(), "targetDevices": {"deviceNames": ["nobody"]}}
        await ask("POST", "/api/v1/applications", body)
        await ask("POST", "/api/v1/applications/asked/stop")
        await ask("DELETE", "/api/v1/applications/asked")
        await ask("GET", "/api/v1/applications/stored/module")
        await ask("PATCH", f"/api/v1/gateways/{gateway}", {"capacity": 10})
        await ask("POST", "/api/v1/gateways", {"count": 1})
        for path in ("pods", "services", "logs"):
            await ask("GET", f"/api/v1/{path}")
        await ask("GET", "/api/v1/metrics", None, 404)
        for what in (*(each.format(device if "dev" in each else gateway) for each in COMMANDS), "secrets"):
            await ask("POST", "/api/v1/terminal/execute", {"command": f"kubectl get {what}"})
        spare = {"apiVersion": "wasmbed.io/v1", "metadata": {"name": "spare"}}
        installation.create({**spare, "kind": "Gateway", "spec": {"endpoint": "127.0.0.1:1"}})
        key = b64encode(json.dumps(metadata).encode()).decode()
        installation.create({**spare, "kind": "Device", "spec": {"publicKey": key, "deviceType": "mcu"}})
        for kind in ("gateways", "devices"):
            await until_there(session, f"/api/v1/{kind}/spare")
            await ask("DELETE", f"/api/v1/{kind}/spare")
    return token


async def use_infrastructure(url: str, token: str) -> None:
    """Make the infrastructure service use each right that it has, as a caller with the role ``admin``."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(url, headers=headers) as session:

        async def ask(method: str, path: str, body: Any = None) -> None:
            async with session.request(method, path, json=body) as answer:
                assert answer.status in (200, 201), (method, path, await answer.text())

        await ask("POST", "/api/v1/certificates", {"subject": "pump-9"})
        await ask("POST", "/api/v1/certificates/1/revoke", {})
        await ask("POST", "/api/v1/secrets", {"name": "wifi", "value": "hidden"})
        await ask("GET", "/api/v1/secrets")
        await ask("GET", "/api/v1/secrets/wifi/value")
        await ask("DELETE", "/api/v1/secrets/wifi")


async def until_there(session: aiohttp.ClientSession, path: str) -> None:
    """Wait until the server has heard of an object."""
    async with session.get("/api/v1/events") as events:
        async with session.get(path) as answer:
            if answer.status == 200:
                return
        async for line in events.content:
            if line.startswith(b"data:") and path.rsplit("/", 1)[-1].encode() in line:
                return


async def read_console(url: str, token: str, device: str) -> list[str]:
    """The lines of the console of a device's board, which its manager has."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers, raise_for_status=True) as session,
        session.get(f"{url}/api/v1/devices/{device}/console") as answer,
    ):
        return [each["line"] for each in (await answer.json())["lines"]]

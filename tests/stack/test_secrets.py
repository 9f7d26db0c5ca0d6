"""A run's files hold none of its secrets: history, page, JUnit, Allure, output, and logs are searched."""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from pathlib import Path

from tests.forked import run_pytest

TESTS = '''
import asyncio
import dataclasses
import json
import logging
import os
import ssl
from base64 import b64decode, b64encode
from pathlib import Path

import aiohttp
import yaml

from harness.wasmbed.pki.identity import create_signing_request
from harness.wasmbed.pki.keys import load_private_key
from harness.wasmbed.protocol.messages import Error
from harness.wasmbed.resources.kinds import SECRET

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SECRETS = "/api/v1/namespaces/wasmbed/secrets"


def remember(*secrets):
    with Path(os.environ["SECRETS_OF_THE_RUN"]).open("a") as file:
        file.writelines(json.dumps(b64encode(secret).decode()) + "\\n" for secret in secrets)


def remembering(pki):
    """Write down the keys and tokens of boards as they are made."""
    make = pki.credentials

    async def credentials(*arguments, **options):
        made = await make(*arguments, **options)
        remember(made.private_key, *([made.pairing_token.encode()] if made.pairing_token else []))
        return made

    pki.credentials = credentials


async def garbage(endpoint, token, tls=None):
    """Send a malformed request with the token in it."""
    reader, writer = await asyncio.open_connection(*endpoint, ssl=tls)
    writer.write(f"GET / HTTP/1.1\\r\\nAuthorization: Bearer {token}\\x01\\r\\n\\r\\n".encode())
    assert b"400" in await reader.readline()
    writer.transport.abort()


async def test_everything_that_has_secrets(stack, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    remembering(stack.pki)
    paired = await stack.boards.power_on("virtual", certificate="request")
    device = await stack.device(paired).until(phase="Connected", within=30)
    await paired.power_off()
    await device.until(phase="Disconnected", within=30)
    await stack.boards.power_on(twin_of=paired)
    await stack.history.until("Error", about=device.name, source="Gateway", within=30)
    await refused(stack)

    await stack.cluster.write_kubeconfig(tmp_path / "kubeconfig")
    config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    bearer = config["users"][0]["user"]["token"]
    server = config["clusters"][0]["cluster"]["server"]
    gateway = await stack.api.get(SECRET, "gateway-gateway-1-api")
    gateway_token = b64decode(gateway["data"]["token"])
    remember(bearer.encode(), gateway_token)
    headers = {"Authorization": f"Bearer {bearer}", "User-Agent": "kubectl/v1"}
    connector = aiohttp.TCPConnector(ssl=False)
    async with aiohttp.ClientSession(server, headers=headers, connector=connector) as session:
        await secrets(session)
    await garbage(stack.gateway.http_endpoint, gateway_token.decode())
    host, port = server.removeprefix("https://").split(":")
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    await garbage((host, int(port)), bearer, tls=trusting)


async def refused(stack):
    """Enroll a peer with a pairing token that was never issued."""
    peer = await stack.mock_board("stranger", certificate="request")
    wrong = "wrong-pairing-token-31415926"
    remember(wrong.encode())
    csr = create_signing_request(load_private_key(peer.credentials.private_key), "stranger")
    peer.send(dataclasses.replace(peer.request(), csr=csr, pairing_token=wrong))
    assert (await peer.expect(Error)).code == "ENROLLMENT_FAILED"


async def secrets(session):
    """Write secrets in every way that the API has."""
    values = [f"password-{number}-27182818284" for number in range(12)]
    remember(*(value.encode() for value in values))
    encoded = [b64encode(value.encode()).decode() for value in values]
    applied = json.dumps({"kind": "Secret", "stringData": {"a": values[0]}, "data": {"b": encoded[1]}})
    body = {
        "metadata": {"name": "s", "annotations": {LAST_APPLIED: applied}},
        "stringData": {"a": values[0]},
        "data": {"b": encoded[1]},
    }
    assert (await session.post(SECRETS, json=body)).status == 201
    patches = [
        ("json-patch", [{"op": "add", "path": "/data/c", "value": encoded[2]}]),
        ("json-patch", [{"op": "test", "path": "/data/c", "value": encoded[3]}]),
        ("json-patch", [{"op": "add", "path": "/stringData", "value": {"d": values[4]}}]),
        ("json-patch", [{"op": "replace", "path": "", "value": {**body, "stringData": {"e": values[5]}}}]),
        ("merge-patch", {"stringData": {"f": values[6]}, "metadata": {"annotations": {LAST_APPLIED: applied}}}),
        ("strategic-merge-patch", {"data": {"g": encoded[7]}}),
    ]
    for kind, patch in patches:
        headers = {"Content-Type": f"application/{kind}+json"}
        async with session.patch(f"{SECRETS}/s", data=json.dumps(patch), headers=headers) as response:
            assert response.status in (200, 422)
    about = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    yaml_type = {"Content-Type": "application/apply-patch+yaml"}
    patch = json.dumps({**about, "stringData": {"h": values[8]}})
    async with session.patch(f"{SECRETS}/s?fieldManager=a&force=true", data=patch, headers=yaml_type) as response:
        assert response.status == 200
    async with session.put(f"{SECRETS}/s", json={**about, "data": {"i": encoded[9]}}) as response:
        assert response.status == 200
    async with session.post(SECRETS, json={**about, "data": {"j": values[10]}}) as response:
        assert response.status in (400, 422, 409)


async def test_a_failure_shows_its_local_values(stack):
    remembering(stack.pki)
    credentials = await stack.pki.credentials("shown", "request")
    peer = await stack.mock_board("shown", credentials=credentials)
    request = dataclasses.replace(peer.request(), pairing_token=credentials.pairing_token)
    assert (credentials, request) == ()
'''


def test_the_files_of_a_run_hold_none_of_its_secrets(tmp_path: Path) -> None:
    project, secrets = tmp_path / "project", tmp_path / "secrets"
    project.mkdir()
    (project / "test_secrets.py").write_text(TESTS)
    command = [f"--basetemp={tmp_path / 'temporary'}", "-rA"]
    options = ["--alluredir=results", "--junitxml=own.xml", "--heartbeat=1", "--log-file=log.txt", "--log-file-level=0"]
    environment = {**os.environ, "SECRETS_OF_THE_RUN": str(secrets)}
    done = run_pytest(*command, *options, "-v", folder=project, environment=environment)
    (project / "output.txt").write_text(done.stdout + done.stderr)
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    known = [b64decode(json.loads(line)) for line in secrets.read_text().splitlines()]
    assert len(known) >= 20
    files = [path for path in project.rglob("*") if path.is_file() and "test_secrets" not in path.name]
    names = {path.name for path in files}
    assert {"history.jsonl", "index.html", "junit.xml", "own.xml", "log.txt", "output.txt"} <= names
    assert any(path.parent.name == "results" for path in files)
    found = [
        (str(path.relative_to(project)), form[:12])
        for path in files
        for secret in known
        for form in (secret, secret.hex().encode(), b64encode(secret))
        if form in path.read_bytes()
    ]
    assert found == []
    recorded = b"".join(path.read_bytes() for path in files if path.name == "history.jsonl")
    for event in (b'"PATCH Secret"', b'"EnrollmentRequest"', b"(secret "):
        assert event in recorded

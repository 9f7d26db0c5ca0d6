"""Credentials that expire, or that a plugin does not give, against the embedded API server."""

from __future__ import annotations

import asyncio
import ssl
import sys
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from harness.clusters.embedded import EmbeddedCluster
from harness.clusters.existing import KubeconfigCluster
from harness.core.clock import SystemClock
from harness.core.errors import UsageError
from harness.core.identifiers import Randomness
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.resources import manifests
from harness.wasmbed.resources.api import ApiError
from harness.wasmbed.resources.kinds import DEVICE
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

PLUGIN = """\
import json, pathlib
status = {"token": pathlib.Path(%r).read_text()}
print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))
"""


@pytest.fixture
async def config(tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """The content of a cluster's kubeconfig."""
    cluster = EmbeddedCluster(SystemClock(), Randomness(1), "wasmbed")
    await cluster.start()
    path = tmp_path / "kubeconfig"
    await cluster.write_kubeconfig(path)
    yield yaml.safe_load(path.read_text())
    await cluster.stop()


def write(path: Path, config: dict[str, Any], **user: Any) -> Path:
    config["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(config))
    return path


def plugin(script: Path) -> dict[str, Any]:
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-S", str(script)],
        "interactiveMode": "Never",
    }


@pytest.mark.parametrize("kind", ["file", "plugin"])
async def test_a_token_that_expires_is_replaced(kind: str, config: dict[str, Any], tmp_path: Path) -> None:
    token, script = tmp_path / "token", tmp_path / "plugin.py"
    script.write_text(PLUGIN % str(token))
    good = config["users"][0]["user"]["token"]
    token.write_text("expired")
    user: dict[str, Any] = {"tokenFile": str(token)} if kind == "file" else {"exec": plugin(script)}
    api = await KubernetesApi.open("wasmbed", kubeconfig=write(tmp_path / "mine", config, **user))
    other = api.share("wasmbed", "Other")
    with pytest.raises(ApiError, match="Unauthorized"):
        await api.list(DEVICE)
    token.write_text(good)
    device = manifests.device("edge-1", public_key=b"\x30", device_type="mcu")
    listed, _ = await asyncio.gather(api.list(DEVICE), other.create(DEVICE, device))
    async with api.watch(DEVICE, resource_version=listed.resource_version) as events:
        assert events is not None
    await other.close()
    await api.close()


async def test_a_file_that_is_gone_leaves_the_refusal(config: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "mine", config, token="wrong")
    api = await KubernetesApi.open("wasmbed", kubeconfig=path)
    path.unlink()
    with pytest.raises(ApiError, match="Unauthorized"):
        await api.list(DEVICE)
    await api.close()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import sys; sys.exit('please log in')", "please log in"),
        (
            'print(\'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {}}\')',
            "neither",
        ),
        ("print('hello')", "the credential plugin failed: "),
    ],
)
async def test_a_plugin_without_credentials_is_named(
    source: str, why: str, config: dict[str, Any], tmp_path: Path
) -> None:
    """The client logs it and goes on as system:anonymous."""
    script = tmp_path / "plugin.py"
    script.write_text(source)
    with pytest.raises(UsageError) as refused:
        await KubernetesApi.open("wasmbed", kubeconfig=write(tmp_path / "mine", config, exec=plugin(script)))
    assert why in refused.value.what
    assert refused.value.do == f"see what it prints: {sys.executable} -S {script}"


async def test_a_user_without_credentials_is_anonymous(config: dict[str, Any], tmp_path: Path) -> None:
    api = await KubernetesApi.open("wasmbed", kubeconfig=write(tmp_path / "mine", config))
    with pytest.raises(ApiError, match='User "system:anonymous" cannot list resource "devices"'):
        await api.list(DEVICE)
    await api.close()


@pytest.mark.parametrize("through", ["original", "copy"])
async def test_a_relative_plugin_command_begins_in_the_kubeconfigs_folder(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    """As kubectl reads it; the working directory has no such command."""
    (tmp_path / "token").write_text(config["users"][0]["user"]["token"])
    script = tmp_path / "bin" / "plugin"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable} -S\n{PLUGIN % str(tmp_path / 'token')}")
    script.chmod(0o700)
    path = write(tmp_path / "mine", config, exec={**plugin(script), "command": "./bin/plugin", "args": []})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    if through == "copy":
        copy = tmp_path / "elsewhere" / "copy"
        await KubeconfigCluster(SystemClock(), Randomness(), kubeconfig=path).write_kubeconfig(copy)
        path = copy
    api = await KubernetesApi.open("wasmbed", kubeconfig=path)
    assert (await api.list(DEVICE)).items == []
    await api.close()


async def test_no_copy_of_a_key_stays_while_a_client_is_open(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed would leave it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    identity = Authority.create("users", SystemClock()).issue_server("me")
    certificate = ssl.DER_cert_to_PEM_cert(identity.certificate)
    key = load_der_private_key(identity.private_key_der, None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    user = {
        "token": config["users"][0]["user"]["token"],
        "client-certificate-data": b64encode(certificate.encode()).decode(),
        "client-key-data": b64encode(pem).decode(),
    }
    path = write(tmp_path / "mine", config, **user)
    for _ in range(2):
        api = await KubernetesApi.open("wasmbed", kubeconfig=path)
        assert list((tmp_path / "temporary").iterdir()) == []
        await api.close()

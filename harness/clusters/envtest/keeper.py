"""``python -m harness.clusters.envtest.keeper KUBE-APISERVER ETCD FOLDER``: runs the two as long as anybody uses them.

It keeps to :mod:`harness.clusters.session`: says ``ready`` when ``kubeconfig`` is there, and when the last user has
gone it ends both and removes the folder. They end with it, whatever ends it.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import socket
import ssl
import sys
from asyncio.subprocess import Process
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from harness.clusters.files import replace_file
from harness.clusters.session import until_unused
from harness.core.clock import SystemClock
from harness.core.identifiers import Randomness
from harness.core.ports import on_free_port

PR_SET_PDEATHSIG = 1
READY_WITHIN = 90.0
ASK_EVERY = 0.05


async def _keep(apiserver: str, etcd: str, folder: Path) -> None:
    users = await asyncio.to_thread(os.open, folder / "users", os.O_RDONLY)
    token, port = Randomness().token(), _free_port()
    processes = [await _start(etcd, *_etcd_arguments(folder))]
    try:
        _write_secrets(folder, token)
        processes.append(await _start(apiserver, *_apiserver_arguments(folder, port)))
        gone = [asyncio.create_task(process.wait()) for process in processes]
        ready = asyncio.create_task(_until_ready(port, token))
        await asyncio.wait([ready, *gone], return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            raise SystemExit("kube-apiserver or etcd ended before it was ready")
        ready.result()
        _write_kubeconfig(folder, port, token)
        print("ready", flush=True)
        os.close(sys.stdout.fileno())
        leaving = asyncio.create_task(asyncio.to_thread(until_unused, users, folder / "lock"))
        await asyncio.wait([leaving, *gone], return_when=asyncio.FIRST_COMPLETED)
        if leaving.done():
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()


async def _start(*command: str) -> Process:
    return await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=2, preexec_fn=_end_with_parent
    )


def _end_with_parent() -> None:
    """Linux: the kernel kills the child when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _etcd_arguments(folder: Path) -> list[str]:
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls=unix://{folder / 'etcd.sock'}",
        # No client reads what is advertised, but it has to be a host and a port.
        "--advertise-client-urls=http://localhost:1",
        f"--listen-peer-urls=unix://{folder / 'peer.sock'}",
        "--unsafe-no-fsync",
        "--log-level=error",
    ]


def _apiserver_arguments(folder: Path, port: int) -> list[str]:
    key = folder / "service-accounts.key"
    return [
        f"--etcd-servers=unix://{folder / 'etcd.sock'}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        # No controller makes the default ServiceAccount that this one wants for every Pod.
        "--disable-admission-plugins=ServiceAccount",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.0.0.0/24",
    ]


def _write_secrets(folder: Path, token: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    replace_file(folder / "service-accounts.key", pem)
    replace_file(folder / "tokens.csv", f'{token},wasmbed,wasmbed,"system:masters"\n'.encode())


def _write_kubeconfig(folder: Path, port: int, token: str) -> None:
    name = "wasmbed"
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(folder / "apiserver.crt")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    replace_file(folder / "kubeconfig", yaml.safe_dump(config).encode())


async def _until_ready(port: int, token: str) -> None:
    """Ask until the API server says that it is ready: it has no other way to tell."""
    clock, tls = SystemClock(), ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    request = f"GET /readyz HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    async with clock.deadline(READY_WITHIN):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
                writer.write(request)
                answer = await reader.read()
                writer.close()
                if b" 200 " in answer.split(b"\r\n")[0]:
                    return
            except OSError:
                pass
            await clock.sleep(ASK_EVERY)


def _free_port() -> int:
    def bind(port: int) -> int:
        socket.create_server(("127.0.0.1", port)).close()
        return port

    return on_free_port(bind)


if __name__ == "__main__":
    asyncio.run(_keep(sys.argv[1], sys.argv[2], Path(sys.argv[3])))

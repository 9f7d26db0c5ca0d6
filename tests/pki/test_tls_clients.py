"""Handshakes of other TLS implementations with the gateway's listener: the table in ``docs/reference/tls-clients.md``.

Each trusts the P-256 authority alone, verifies the gateway's chain and name, and presents a device's certificate.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from harness.core.clock import SystemClock
from harness.core.network import Admission, SystemNetwork
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.pki.server_authorities import ServerAuthorities
from harness.wasmbed.pki.tls import tls_server
from tests.tls_groups import needs_any_group

SOURCES = Path(__file__).parent / "clients"
NSS = "-h 127.0.0.1 -a localhost -d sql:nss -n own -V tls1.3:tls1.3 -p"
S_CLIENT = "-cert cert.pem -key key.pem -servername localhost -verify_hostname localhost -verify_return_error -connect"


class Greeter(asyncio.Protocol):
    """Notes the subject of a client's certificate, sends hello, and closes."""

    def __init__(self, accepted: list[str | None]) -> None:
        self._accepted = accepted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        self._accepted.append(certificate and x509.load_der_x509_certificate(certificate).subject.rfc4514_string())
        writer = cast(asyncio.WriteTransport, transport)
        writer.write(b"hello\n")
        writer.close()


@dataclass
class ClientBench:
    """A gateway's listener, and the files that a client needs to connect."""

    folder: Path
    trust: dict[str, str]
    accepted: list[str | None] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)

    def run(self, command: Callable[[int], list[str]]) -> tuple[int, str]:
        """Run a client, given the port; returns its exit code and output."""

        async def main() -> tuple[int, str]:
            admission = Admission(rejected=lambda _, reason, __: self.rejected.append(reason))
            tls = tls_server(self.identities, self.devices.certificate)
            listener = await SystemNetwork().listen(
                lambda: Greeter(self.accepted), ("127.0.0.1", 0), tls=tls, admission=admission
            )
            client = await asyncio.create_subprocess_exec(
                *command(listener.endpoint[1]),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            try:
                async with asyncio.timeout(120):
                    assert client.stdout is not None
                    output = await client.stdout.read()
                    return await client.wait(), output.decode()
            finally:
                if client.returncode is None:
                    client.kill()
                    await client.wait()
                await listener.close()

        return asyncio.run(main())

    def __post_init__(self) -> None:
        clock = SystemClock()
        servers = ServerAuthorities("servers", clock)
        self.devices = Authority.create("devices", clock)
        self.identities = servers.issue("gateway")
        for authority, name in zip(servers, ("p256", "ed25519"), strict=True):
            self.trust[name] = ssl.DER_cert_to_PEM_cert(authority.certificate)
        key = generate_key()
        certificate = x509.load_der_x509_certificate(self.devices.issue_device("client-1", key.public_key()))
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        (self.folder / "trust.pem").write_text(self.trust["p256"])
        (self.folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
        (self.folder / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
        encryption = serialization.BestAvailableEncryption(b"password")
        own = pkcs12.serialize_key_and_certificates(b"own", key, certificate, None, encryption)
        (self.folder / "own.p12").write_bytes(own)


@pytest.fixture
def bench(tmp_path: Path) -> ClientBench:
    return ClientBench(tmp_path, {})


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def compiled(bench: ClientBench, source: str, *libraries: str) -> list[str]:
    """Build a client in C against a library's development files; returns its command."""
    compiler = program("cc")
    command = [compiler, str(SOURCES / source), "-o", "client", *(f"-l{name}" for name in libraries)]
    built = subprocess.run(command, cwd=bench.folder, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"{source} does not build here: {next(iter(built.stderr.splitlines()), 'no reason given')}")
    return ["./client"]


def nss(bench: ClientBench) -> list[str]:
    client, certutil, pk12util = program("tstclnt"), program("certutil"), program("pk12util")
    (bench.folder / "nss").mkdir()
    for command in (
        [certutil, "-N", "-d", "sql:nss", "--empty-password"],
        [certutil, "-A", "-d", "sql:nss", "-n", "root", "-t", "C,,", "-i", "trust.pem"],
        [pk12util, "-i", "own.p12", "-d", "sql:nss", "-W", "password", "-K", ""],
    ):
        subprocess.run(command, cwd=bench.folder, check=True, capture_output=True)
    return [client, *NSS.split()]


def go(bench: ClientBench) -> list[str]:
    subprocess.run([program("go"), "build", "-o", bench.folder / "client", SOURCES / "client.go"], check=True)
    return ["./client"]


def gnutls(bench: ClientBench) -> list[str]:
    files = ["--x509cafile=trust.pem", "--x509certfile=cert.pem", "--x509keyfile=key.pem"]
    return [program("gnutls-cli"), *files, "--sni-hostname=localhost", "--verify-hostname=localhost", "127.0.0.1", "-p"]


CLIENTS: dict[str, Callable[[ClientBench], list[str]]] = {
    "GnuTLS": gnutls,
    "Go": go,
    "Java": lambda bench: [program("java"), str(SOURCES / "Client.java")],
    "Mbed TLS": lambda bench: compiled(bench, "mbedtls.c", "mbedtls", "mbedx509", "mbedcrypto"),
    "NSS": nss,
    "Node.js": lambda bench: [program("node"), str(SOURCES / "client.js")],
    "wolfSSL": lambda bench: compiled(bench, "wolfssl.c", "wolfssl"),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_of_another_tls_stack_is_accepted(bench: ClientBench, client: str) -> None:
    command = CLIENTS[client](bench)
    code, output = bench.run(lambda port: [*command, str(port)])
    assert (bench.accepted, bench.rejected) == (["CN=client-1"], []), output
    assert "hello" in output
    assert code == 0


def s_client(bench: ClientBench, *options: str) -> tuple[int, str]:
    command = [program("openssl"), "s_client", "-brief", *options, *S_CLIENT.split()]
    return bench.run(lambda port: [*command, f"127.0.0.1:{port}"])


@pytest.mark.parametrize(
    ("offered", "trusted", "signature"),
    [
        ("ECDSA+SHA256", "p256", "ECDSA"),
        ("ed25519", "ed25519", "ed25519"),
        ("ed25519:ECDSA+SHA256", "p256", "ECDSA"),
        ("RSA-PSS+SHA256:ed25519", "ed25519", "ed25519"),
    ],
)
def test_a_client_gets_the_identity_that_it_can_verify(
    bench: ClientBench, offered: str, trusted: str, signature: str
) -> None:
    (bench.folder / "one.pem").write_text(bench.trust[trusted])
    _, output = s_client(bench, "-CAfile", "one.pem", "-sigalgs", offered)
    assert f"Signature type: {signature}" in output
    assert "Verification: OK" in output
    assert bench.rejected == []


@needs_any_group
@pytest.mark.parametrize("groups", ["X25519", "P-256", "P-384:P-256", "ffdhe8192:X25519"])
def test_each_cheap_group_is_served(bench: ClientBench, groups: str) -> None:
    _, output = s_client(bench, "-CAfile", "trust.pem", "-groups", groups)
    assert (bench.accepted, bench.rejected) == (["CN=client-1"], []), output


@needs_any_group
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            ["-sigalgs", "RSA-PSS+SHA256"],
            "no common signature algorithms: the client offers rsa_pss_rsae_sha256; "
            "the server supports ecdsa_secp256r1_sha256, ed25519",
        ),
        (
            ["-groups", "ffdhe2048:P-384"],
            "no common key exchange groups: the client offers ffdhe2048, secp384r1; "
            "the server supports x25519, secp256r1",
        ),
        (
            ["-ciphersuites", "TLS_AES_128_CCM_SHA256"],
            "no common cipher suites: the client offers TLS_AES_128_CCM_SHA256; "
            "the server supports TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256",
        ),
        (["-tls1_2"], "the client does not offer TLS 1.3, the only version supported"),
    ],
)
def test_a_refused_client_is_logged_with_its_missing_offer(bench: ClientBench, options: list[str], reason: str) -> None:
    code, output = s_client(bench, "-CAfile", "trust.pem", *options)
    assert (bench.accepted, bench.rejected) == ([], [reason])
    assert "alert" in output
    assert code != 0

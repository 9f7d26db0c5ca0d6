"""The three files of a device's identity."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from cryptography.hazmat.primitives import serialization

from harness.core.errors import UsageError
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.errors import CertificateInvalid
from harness.wasmbed.pki.identity import (
    AUTHORITY_FILE,
    CERTIFICATE_FILE,
    KEY_FILE,
    Identity,
    load_certificate,
)
from harness.wasmbed.pki.keys import generate_key, load_private_key, load_public_key, private_key_der, public_key_der
from tests.pki.foreign_keys import foreign_key

Provision = Callable[..., Identity]


def test_an_identity_is_loaded_from_its_files(provision: Provision, servers: Authority, tmp_path: Path) -> None:
    identity = provision("board-1")
    identity.save(tmp_path / "board-1", servers.certificate)
    again = Identity.load(tmp_path / "board-1")
    assert (again.certificate, again.private_key_der) == (identity.certificate, identity.private_key_der)
    assert load_certificate(tmp_path / "board-1" / AUTHORITY_FILE) == servers.certificate


def test_only_the_owner_can_read_the_key(provision: Provision, servers: Authority, tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_bytes(b"old")
    (tmp_path / KEY_FILE).chmod(0o644)
    provision().save(tmp_path, servers.certificate)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE]


@pytest.mark.parametrize("name", [CERTIFICATE_FILE, KEY_FILE])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN PRIVATE KEY-----\n"])
def test_an_invalid_file_is_named(
    provision: Provision, servers: Authority, tmp_path: Path, name: str, content: bytes | None
) -> None:
    provision().save(tmp_path, servers.certificate)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        Identity.load(tmp_path)
    assert caught.value.where == str(tmp_path / name)
    assert caught.value.do


def test_a_key_that_does_not_match_the_certificate_is_refused(
    provision: Provision, servers: Authority, tmp_path: Path
) -> None:
    provision().save(tmp_path, servers.certificate)
    (tmp_path / KEY_FILE).write_bytes(private_key_der(generate_key()))
    with pytest.raises(UsageError, match="the certificate is not for the key"):
        Identity.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(provision: Provision, servers: Authority, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match="cannot be written"):
        provision().save(tmp_path / "file", servers.certificate)


def test_keys_survive_their_encodings(algorithm: str) -> None:
    key = generate_key(algorithm)
    der = public_key_der(key.public_key())
    assert public_key_der(load_private_key(private_key_der(key)).public_key()) == der
    assert public_key_der(load_public_key(der)) == der


@pytest.mark.parametrize("kind", ["RSA", "P-384"])
def test_keys_of_another_kind_are_refused(kind: Literal["RSA", "P-384"]) -> None:
    key = foreign_key(kind)
    der = serialization.Encoding.DER
    private = key.private_bytes(der, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with pytest.raises(UsageError) as caught:
        load_private_key(private, "a board")
    assert caught.value.where == "a board"
    with pytest.raises(CertificateInvalid, match="neither Ed25519 nor P-256"):
        load_public_key(key.public_key().public_bytes(der, serialization.PublicFormat.SubjectPublicKeyInfo))


def test_a_key_with_a_password_is_refused() -> None:
    locked = serialization.BestAvailableEncryption(b"secret")
    der = generate_key().private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, locked)
    with pytest.raises(UsageError, match="not a usable private key"):
        load_private_key(der)


def test_random_bytes_are_not_a_public_key() -> None:
    with pytest.raises(CertificateInvalid, match="not a public key"):
        load_public_key(b"garbage")

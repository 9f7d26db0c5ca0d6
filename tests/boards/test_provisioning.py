"""The blob that tells a board who it is: the format that the firmware reads (`wasmbed-node/src/provisioning.rs`)."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization

from harness.boards.board import BoardEnvironment, BoardSettings, Credentials
from harness.boards.provisioning import provisioning_blob
from harness.core.clock import ManualClock
from harness.core.errors import UsageError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.wasmbed.pki.keys import Algorithm, generate_key, private_key_der

KEY = generate_key(Algorithm.P256)
CREDENTIALS = Credentials(b"authority", private_key_der(KEY), certificate=b"certificate")
SETTINGS = BoardSettings("pump-1", CREDENTIALS, ("10.0.0.1", 8081), "gateway.example")
WORLD = BoardEnvironment(ManualClock(1_700_000_000.25), SystemNetwork(), Randomness(7))


def opened(blob: bytes) -> dict[int, object]:
    """Return the map of a blob, after a check of its frame."""
    assert blob[:4] == b"WBID"
    length = int.from_bytes(blob[4:8], "big")
    body, digest = blob[8 : 8 + length], blob[8 + length :]
    assert digest == hashlib.sha256(body).digest()
    fields = cbor2.loads(body)
    assert isinstance(fields, dict)
    assert body == cbor2.dumps(fields, canonical=True)
    return fields


def test_the_smallest_blob() -> None:
    fields = opened(provisioning_blob(SETTINGS, WORLD))
    entropy = fields.pop(8)
    assert isinstance(entropy, bytes)
    assert len(entropy) == 32
    spki = KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert fields == {
        0: 1,
        1: "pump-1",
        2: CREDENTIALS.private_key,
        3: b"certificate",
        4: b"authority",
        5: "10.0.0.1:8081",
        6: "gateway.example",
        7: 1_700_000_000_250,
        12: spki,
    }


def test_only_given_settings_are_in_the_blob() -> None:
    credentials = replace(CREDENTIALS, certificate=None, pairing_token="secret")
    settings = replace(
        SETTINGS,
        credentials=credentials,
        device_type="toaster",
        capabilities=("tls", "teleport"),
        self_test="panic",
        watchdog=1.5,
    )
    fields = opened(provisioning_blob(settings, WORLD))
    assert 3 not in fields
    assert [fields[number] for number in (9, 10, 11, 13, 14)] == [
        "secret",
        "toaster",
        ["tls", "teleport"],
        1500,
        "panic",
    ]


def test_no_capabilities_at_all_is_a_claim_too() -> None:
    assert opened(provisioning_blob(replace(SETTINGS, capabilities=()), WORLD))[11] == []


def test_entropy_is_fresh_for_each_blob() -> None:
    assert len({opened(provisioning_blob(SETTINGS, WORLD))[8] for _ in range(10)}) == 10


def test_an_invalid_key_is_refused() -> None:
    broken = replace(SETTINGS, credentials=replace(CREDENTIALS, private_key=b"?"))
    with pytest.raises(UsageError, match="pump-1: the private key cannot be read"):
        provisioning_blob(broken, WORLD)


def test_a_blob_that_does_not_fit_is_refused() -> None:
    length = len(provisioning_blob(SETTINGS, WORLD))
    assert len(provisioning_blob(SETTINGS, WORLD, length)) == length
    with pytest.raises(UsageError, match=f"has {length} bytes, the board has room for {length - 1}"):
        provisioning_blob(SETTINGS, WORLD, length - 1)

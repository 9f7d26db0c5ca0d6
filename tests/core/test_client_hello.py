"""Real clients' hellos are read; other bytes never raise an exception."""

from __future__ import annotations

import ssl
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.client_hello import ClientHello, hello_size, read_client_hello
from tests.tls_groups import needs_any_group

X25519, P256, P384, FFDHE8192 = 0x001D, 0x0017, 0x0018, 0x0104


def hello_of(*, group: str | None = None, newest: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> bytes:
    """The first bytes that OpenSSL's client sends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = newest
    if group is not None:
        context.set_ecdh_curve(group)
    sent = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    return sent.read()


def test_a_hello_of_openssl_is_read() -> None:
    hello = read_client_hello(hello_of())
    assert hello is not None
    assert 0x0304 in hello.versions
    assert 0x1301 in hello.ciphers
    assert {X25519, P256} <= set(hello.groups)
    assert set(hello.shares) <= set(hello.groups)
    assert {0x0403, 0x0807} <= set(hello.signatures)


@needs_any_group
@pytest.mark.parametrize(("name", "group"), [("prime256v1", P256), ("secp384r1", P384), ("ffdhe8192", FFDHE8192)])
def test_a_client_with_one_group_has_one_share(name: str, group: int) -> None:
    hello = read_client_hello(hello_of(group=name))
    assert hello is not None
    assert (hello.groups, hello.shares) == ((group,), (group,))


def test_a_client_of_tls_1_2_lists_no_versions() -> None:
    hello = read_client_hello(hello_of(newest=ssl.TLSVersion.TLSv1_2))
    assert hello is not None
    assert (hello.versions, hello.shares) == ((), ())


def test_a_hello_without_extensions_is_read() -> None:
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0"
    message = b"\1" + len(body).to_bytes(3, "big") + body
    data = b"\x16\3\1" + len(message).to_bytes(2, "big") + message
    assert hello_size(data) == len(data)
    assert read_client_hello(data) == ClientHello((), (0x1301,), (), (), ())


def test_a_part_of_a_hello_is_not_a_hello() -> None:
    whole = hello_of()
    assert hello_size(whole) == len(whole)
    for end in range(len(whole)):
        assert read_client_hello(whole[:end]) is None


@given(st.binary(max_size=64), st.data())
def test_arbitrary_bytes_never_raise(noise: bytes, damage: st.DataObject) -> None:
    read_client_hello(noise)
    read_client_hello(b"\x16\3\1\0\x40\1\0\0\x3c" + noise)
    whole = bytearray(HELLO)
    for _ in range(3):
        whole[damage.draw(st.integers(0, len(whole) - 1))] = damage.draw(st.integers(0, 255))
    read_client_hello(bytes(whole))


HELLO = hello_of()

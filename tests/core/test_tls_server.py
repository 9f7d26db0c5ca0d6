"""A client gets the cheapest common key exchange, or the reason why there is none."""

from __future__ import annotations

import ssl
from dataclasses import replace

import pytest

from harness.core.client_hello import ClientHello
from harness.core.tls_server import HelloRefused, TlsServer
from tests.tls_groups import needs_any_group

X25519, P256, P384, HYBRID, FFDHE = 0x001D, 0x0017, 0x0018, 0x11EC, (0x0100, 0x0101, 0x0102, 0x0103, 0x0104)
ECDSA, ED25519, RSA_PSS = 0x0403, 0x0807, 0x0804
USUAL = ClientHello((0x0304,), (0x1301,), (X25519, P256), (X25519,), (ECDSA, ED25519))


@pytest.fixture
def server() -> TlsServer:
    return TlsServer(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), [ECDSA])


@needs_any_group
@pytest.mark.parametrize(
    ("groups", "shares", "chosen"),
    [
        ((X25519, P256), (X25519,), 0),
        ((P256, X25519), (P256,), 1),
        ((P256, X25519), (P256, X25519), 0),
        ((P384, P256), (P384,), 1),
        ((*FFDHE, P256), (FFDHE[4],), 1),
        ((*FFDHE, X25519), (), 0),
        ((HYBRID, X25519), (HYBRID, X25519), 0),
    ],
)
def test_a_group_that_needs_no_second_hello_is_preferred(
    server: TlsServer, groups: tuple[int, ...], shares: tuple[int, ...], chosen: int
) -> None:
    assert server.context_for(replace(USUAL, groups=groups, shares=shares)) is server.contexts[chosen]


@needs_any_group
@pytest.mark.parametrize(
    ("changes", "reason", "alert"),
    [
        ({"versions": (0x0303,)}, "the client does not offer TLS 1.3, the only version supported", 70),
        ({"versions": ()}, "the client does not offer TLS 1.3, the only version supported", 70),
        (
            {"groups": FFDHE, "shares": FFDHE[:1]},
            "no common key exchange groups: the client offers ffdhe2048, ffdhe3072, ffdhe4096, ffdhe6144, ffdhe8192; "
            "the server supports x25519, secp256r1",
            40,
        ),
        (
            {"groups": (0x0A0A, P384)},
            "no common key exchange groups: the client offers 0x0a0a, secp384r1; the server supports x25519, secp256r1",
            40,
        ),
        (
            {"groups": ()},
            "no common key exchange groups: the client offers none; the server supports x25519, secp256r1",
            40,
        ),
        (
            {"signatures": (RSA_PSS,)},
            "no common signature algorithms: the client offers rsa_pss_rsae_sha256; "
            "the server supports ecdsa_secp256r1_sha256",
            40,
        ),
        (
            {"ciphers": (0x1305,)},
            "no common cipher suites: the client offers TLS_AES_128_CCM_8_SHA256; "
            "the server supports TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256",
            40,
        ),
        (
            {"groups": tuple(range(256, 1256))},
            "no common key exchange groups: the client offers ffdhe2048, ffdhe3072, ffdhe4096, ffdhe6144, ffdhe8192, "
            "0x0105, 0x0106, 0x0107 and 992 more; the server supports x25519, secp256r1",
            40,
        ),
    ],
)
def test_a_client_that_offers_nothing_in_common_is_refused_with_the_reason(
    server: TlsServer, changes: dict[str, tuple[int, ...]], reason: str, alert: int
) -> None:
    with pytest.raises(HelloRefused) as refused:
        server.context_for(replace(USUAL, **changes))
    assert (refused.value.reason, refused.value.alert) == (reason, alert)


@needs_any_group
def test_a_hello_that_cannot_be_read_is_left_to_openssl(server: TlsServer) -> None:
    assert server.context_for(None) is server.contexts[1]


class Old(ssl.SSLContext):
    """A context of a Python that cannot limit it to X25519, as that of Debian 12."""

    def set_ecdh_curve(self, name: str, /) -> None:
        if name == "X25519":
            raise ssl.SSLError("unknown group")
        super().set_ecdh_curve(name)


def test_an_old_python_serves_the_group_that_it_can_be_limited_to() -> None:
    server = TlsServer(lambda: Old(ssl.PROTOCOL_TLS_SERVER), [ECDSA])
    (only,) = server.contexts
    assert server.context_for(USUAL) is only
    with pytest.raises(HelloRefused, match="the client offers x25519; the server supports secp256r1"):
        server.context_for(replace(USUAL, groups=(X25519,)))

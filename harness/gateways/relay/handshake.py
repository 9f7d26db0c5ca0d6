"""The relay's two TLS 1.3 handshakes: as a gateway towards the board, and as the board towards the gateway.

pyOpenSSL makes them, because it has three things that Python's ssl lacks: a verification callback, so that the relay
accepts each board and leaves the judgement to the gateway; the secrets of a handshake, for records of the relay's own;
and a client's identity that is chosen in the middle of its handshake, after the board has shown its certificate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from harness.core.tls_server import GROUPS
from harness.gateways.relay.records import Protection, cipher_suite
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import PrivateKey
from harness.wasmbed.pki.tls import NO_CHECK_TIME

__all__ = ["BoardHandshake", "GatewayHandshake", "Handshake", "HandshakeFailed", "board_contexts", "gateway_context"]

_READ_ALERT, _WRITE_ALERT = 0x4004, 0x4008
"""OpenSSL's ``SSL_CB_READ_ALERT`` and ``SSL_CB_WRITE_ALERT``."""
_PORTION = 1 << 16
_NO_COMPRESSED_CERTIFICATES = 1 << 32 | 1 << 33
"""OpenSSL's ``SSL_OP_NO_TX_CERTIFICATE_COMPRESSION`` and ``SSL_OP_NO_RX_CERTIFICATE_COMPRESSION``: embedded-tls cannot
read that extension."""
_GATEWAY_GROUPS = b"X25519:prime256v1:secp384r1:secp521r1"
_SCHEMES = (
    b"ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
    b"RSA+SHA256:RSA+SHA384:RSA+SHA512"
)
"""The signature schemes that OpenSSL 3.0 asks a client for, in its names."""


class HandshakeFailed(Exception):
    """OpenSSL has ended the handshake.

    ``answer`` is what it still wants to send: its alert. ``received`` and ``sent`` are the alerts (level and code), if
    there were any.
    """

    def __init__(self, reason: str, answer: bytes, received: bytes | None, sent: bytes | None) -> None:
        super().__init__(reason)
        self.reason, self.answer, self.received, self.sent = reason, answer, received, sent


class Handshake:
    """One end of a handshake, fed with records."""

    def __init__(self, context: SSL.Context) -> None:
        self.is_done = False
        self.verified = True
        """Whether OpenSSL would have accepted the peer's certificate."""
        self._suite: int | None = None
        self._secrets: dict[str, bytes] = {}
        self._received: bytes | None = None
        self._sent: bytes | None = None
        self._connection = SSL.Connection(context, None)
        self._connection.set_app_data(self)

    def feed(self, record: bytes = b"") -> bytes:
        """Process one record, or begin; returns what is to be sent. Raises :class:`HandshakeFailed`."""
        if record:
            self._connection.bio_write(record)
            self._note_suite(record)
        failure = None
        try:
            self._connection.do_handshake()
            self.is_done = True
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            failure = _reason(error)
        answer = self._drain()
        self._note_suite(answer)
        if failure is not None:
            raise HandshakeFailed(failure, answer, self._received, self._sent)
        return answer

    def protection(self, secret: str) -> Protection | None:
        """The protection under the secret of that name (as a key log names it); None before it is known."""
        if self._suite is None or secret not in self._secrets:
            return None
        return Protection(self._suite, self._secrets[secret])

    def close(self) -> None:
        """Free OpenSSL's state, once the protections are taken: it lives as long as the link otherwise."""
        self._connection.set_app_data(None)
        del self._connection

    def _note_suite(self, record: bytes) -> None:
        self._suite = cipher_suite(record) or self._suite

    def _drain(self) -> bytes:
        portions = bytearray()
        while True:
            try:
                portions += self._connection.bio_read(_PORTION)
            except SSL.WantReadError:
                return bytes(portions)

    # Called by OpenSSL.

    def log_secret(self, line: bytes) -> None:
        label, _, secret = line.decode("ascii").split()
        self._secrets[label] = bytes.fromhex(secret)

    def note_alert(self, where: int, alert: int) -> None:
        if where == _READ_ALERT:
            self._received = alert.to_bytes(2, "big")
        elif where == _WRITE_ALERT:
            self._sent = alert.to_bytes(2, "big")


class BoardHandshake(Handshake):
    """The gateway's end, towards a board."""

    def __init__(self, context: SSL.Context) -> None:
        super().__init__(context)
        self._connection.set_accept_state()

    @property
    def certificate(self) -> bytes | None:
        """The board's certificate, DER; None without one."""
        found = self._connection.get_peer_certificate(as_cryptography=True)
        return None if found is None else found.public_bytes(Encoding.DER)


class GatewayHandshake(Handshake):
    """The board's end, towards a gateway."""

    def __init__(self, context: SSL.Context) -> None:
        super().__init__(context)
        self._connection.set_connect_state()

    def identify(self, certificate: bytes, key: PrivateKey) -> None:
        """Show this certificate when the gateway's records after its ServerHello are processed."""
        self._connection.use_certificate(x509.load_der_x509_certificate(certificate))
        self._connection.use_privatekey(key)


def board_contexts(identities: Iterable[Identity], device_authority: bytes | None) -> Mapping[int, SSL.Context]:
    """Return the parameters towards boards, for each group: each client certificate is accepted.

    As with :class:`~harness.core.tls_server.TlsServer`, a context has one group, so that the answer to a board names no
    other: embedded-tls cannot read the groups that newer OpenSSL has.

    ``device_authority`` (DER): :attr:`Handshake.verified` says whether a certificate is one of its own.
    """
    identities = tuple(identities)
    return {group: _board_context(name, identities, device_authority) for group, name in GROUPS.items()}


def _board_context(group: str, identities: Iterable[Identity], device_authority: bytes | None) -> SSL.Context:
    context = _context(SSL.TLS_SERVER_METHOD)
    context.set_options(_NO_COMPRESSED_CERTIFICATES | SSL.OP_NO_TICKET)  # the cheapest tickets: none of them is sent
    library = _library()
    library.SSL_CTX_set1_curves_list(vars(context)["_context"], group.encode())
    # Newer OpenSSL asks for schemes that embedded-tls cannot read, and it then ends the handshake.
    library.SSL_CTX_set1_sigalgs_list(vars(context)["_context"], _SCHEMES)
    context.set_verify(SSL.VERIFY_PEER, _accept)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    if device_authority is not None:
        store = context.get_cert_store()
        assert store is not None, "a context has one"
        store.add_cert(crypto.X509.from_cryptography(x509.load_der_x509_certificate(device_authority)))
        store.set_flags(NO_CHECK_TIME)
    for identity in identities:
        context.use_certificate(x509.load_der_x509_certificate(identity.certificate))
        context.use_privatekey(identity.private_key)
    return context


def gateway_context() -> SSL.Context:
    """Return the parameters towards the gateway. Its certificate is not checked: the boards see the relay's."""
    context = _context(SSL.TLS_CLIENT_METHOD)
    # A share of ML-KEM, which newer OpenSSL adds, makes each handshake dearer and no board has it.
    _library().SSL_CTX_set1_curves_list(vars(context)["_context"], _GATEWAY_GROUPS)
    context.set_verify(SSL.VERIFY_NONE)
    return context


def _library() -> Any:
    """OpenSSL itself, for what pyOpenSSL has no public names for."""
    return vars(SSL)["_lib"]


def _context(method: int) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_keylog_callback(lambda connection, line: connection.get_app_data().log_secret(line))
    context.set_info_callback(_note_alert)
    return context


def _note_alert(connection: SSL.Connection, where: int, returned: int) -> None:
    if where in (_READ_ALERT, _WRITE_ALERT):
        connection.get_app_data().note_alert(where, returned)


def _accept(connection: SSL.Connection, _certificate: Any, _error: int, _depth: int, is_valid: int) -> bool:
    if not is_valid:
        connection.get_app_data().verified = False
    return True


def _reason(error: SSL.Error) -> str:
    """OpenSSL's reason as text for a log."""
    queued = error.args[0] if error.args else ()
    return str(queued[0][2]) if queued else str(error) or type(error).__name__

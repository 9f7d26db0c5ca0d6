#!/usr/bin/env bash
# A TLS 1.3 server of pyOpenSSL with OP_NO_TICKET and no session cache still sends two session tickets after each handshake.
#
# One would expect none: the option says "no ticket", and without a cache a stateful ticket can never be redeemed. OpenSSL sends two
# stateful ones of 79 bytes each, after every full handshake, and a small device has to read and decrypt them. OpenSSL has
# SSL_CTX_set_num_tickets(ctx, 0) for that, and Python's ssl has context.num_tickets = 0; pyOpenSSL gives no access to it.
# Needs python3 (3.11 or newer). Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q pyopenssl==26.4.0 cryptography==50.0.2
cat >tickets.py <<'PYTHON'
import ssl
import sys
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
now = datetime.now(timezone.utc)
certificate = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(1)
    .not_valid_before(now - timedelta(1))
    .not_valid_after(now + timedelta(1))
    .sign(key, hashes.SHA256())
)
context = SSL.Context(SSL.TLS_SERVER_METHOD)
context.use_certificate(certificate)
context.use_privatekey(key)
context.set_options(SSL.OP_NO_TICKET)
context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
server = SSL.Connection(context, None)
server.set_accept_state()

client_context = ssl.create_default_context()
client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
client = client_context.wrap_bio(incoming, outgoing)


def exchange():
    """One step of both ends; returns the bytes that the server has sent."""
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    server.bio_write(outgoing.read() or b"") if outgoing.pending else None
    try:
        server.do_handshake()
    except SSL.WantReadError:
        pass
    try:
        sent = server.bio_read(1 << 16)
    except SSL.WantReadError:
        return b""
    incoming.write(sent)
    return sent


exchange()
after = exchange()
sizes = []
while after:
    size = 5 + int.from_bytes(after[3:5], "big")
    sizes.append(size)
    after = after[size:]
print(SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode(), client.version(), "records after the handshake:", sizes)
sys.exit(0 if client.version() == "TLSv1.3" and len(sizes) == 2 else 1)
PYTHON
venv/bin/python tickets.py

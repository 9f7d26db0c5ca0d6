#!/usr/bin/env bash
# asyncio's TLS server never sends the alert of a failed handshake.
#
# A server must send the alert protocol_version to a client without a common TLS version (RFC 8446, section 6.2). OpenSSL writes the
# alert, and a blocking server sends it. The servers of asyncio and uvloop close the connection and drop OpenSSL's output, so the
# client gets an end of file and cannot distinguish a refusal from a network failure. Needs python3 (3.11 or newer) and openssl.
# Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q uvloop==0.22.1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 2 \
    -keyout key.pem -out cert.pem 2>/dev/null

cat >server.py <<'PYTHON'
import asyncio
import socket
import ssl
import subprocess
import sys
import threading

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.load_cert_chain("cert.pem", "key.pem")


def client(port):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    words = done.stdout + done.stderr
    return "alert" if "alert protocol version" in words else "end of file" if "unexpected eof" in words else words


def blocking():
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        try:
            context.wrap_socket(connection, server_side=True)
        except ssl.SSLError:
            pass

    threading.Thread(target=serve).start()
    return client(listener.getsockname()[1])


async def on_loop():
    asyncio.get_running_loop().set_exception_handler(lambda loop, error: None)
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=context)
    return await asyncio.to_thread(client, server.sockets[0].getsockname()[1])


def on_uvloop():
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(on_loop())


seen = {"ssl.wrap_socket": blocking(), "asyncio": asyncio.run(on_loop()), "uvloop": on_uvloop()}
print(f"Python {sys.version.split()[0]}, {ssl.OPENSSL_VERSION}")
for server, answer in seen.items():
    print(f"{server}: the client sees: {answer}")
expected = {"ssl.wrap_socket": "alert", "asyncio": "end of file", "uvloop": "end of file"}
sys.exit(0 if seen == expected else "the behaviour has changed")
PYTHON
venv/bin/python server.py

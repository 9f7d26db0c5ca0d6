#!/usr/bin/env bash
# If a kubeconfig's credential plugin fails, Kubernetes' official Python client logs a line and sends requests without credentials.
#
# client-go and kubectl fail with `getting credentials: exec: executable ... not found` and send nothing. The Python client catches
# the exception in load_from_exec_plugin, and load_kube_config returns as if all was well. The server then takes the program for
# system:anonymous: the error that a user sees is a missing right, and where anonymous users may read something, there is none.
# Needs python3. Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q kubernetes==37.0.2
cat >finding.py <<'PY'
import http.server, importlib.metadata, threading
import yaml
from kubernetes import client, config

seen = []
class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        seen.append(self.headers.get("Authorization"))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"major": "1", "minor": "36"}')
    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "interactiveMode": "Never"}
kubeconfig = {
    "current-context": "c",
    "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
    "users": [{"name": "u", "user": {"exec": plugin}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
}
with open("kubeconfig", "w") as file:
    yaml.safe_dump(kubeconfig, file)
config.load_kube_config("kubeconfig")
try:
    client.VersionApi().get_code()
except client.ApiException as error:
    print(error)
except Exception:  # the answer is not whole; the request was sent
    pass
print(f"kubernetes {importlib.metadata.version('kubernetes')}: a request was sent with Authorization: {seen}")
raise SystemExit(seen != [None])
PY
venv/bin/python finding.py

#!/usr/bin/env bash
# kube-apiserver answers a list up to 100 ms late if another type was written and the same type was listed just before.
#
# Since Kubernetes 1.34 a list without a resourceVersion comes from the watch cache of its type, which must first have reached the
# newest revision of etcd. A write of another type raises that revision and brings this cache no event, so the cache asks etcd for its
# progress, at most once in 100 ms. The first list waits for one answer of etcd, a millisecond; each that follows with a write in
# between waits for the rest of the 100 ms. A get of one object does not. Code that lists in turn with writes is limited to ten lists a
# second for each type, on an idle server.
# Needs go (1.26 or newer), curl, openssl and python3; builds kube-apiserver 1.36.3 from the Go module proxy, some minutes the first time.
# Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
servers=()
trap 'for pid in "${servers[@]}"; do kill -9 "$pid" 2>/dev/null || true; done; rm -rf "$folder"' EXIT
cd "$folder"

{
    echo 'module example.com/finding'
    echo 'go 1.26.0'
    echo 'require k8s.io/kubernetes v1.36.3'
    echo 'require go.etcd.io/etcd/server/v3 v3.6.8'
    # k8s.io/kubernetes requires these without a version.
    for name in api apiextensions-apiserver apimachinery apiserver cli-runtime client-go cloud-provider cluster-bootstrap \
        code-generator component-base component-helpers controller-manager cri-api cri-client cri-streaming \
        csi-translation-lib dynamic-resource-allocation endpointslice externaljwt kms kube-aggregator \
        kube-controller-manager kube-proxy kube-scheduler kubectl kubelet metrics mount-utils pod-security-admission \
        sample-apiserver sample-cli-plugin sample-controller streaming; do
        echo "replace k8s.io/$name => k8s.io/$name v0.36.3"
    done
} >go.mod
cat >tools.go <<'GO'
//go:build tools

package tools

import (
	_ "go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/kubernetes/cmd/kube-apiserver/app"
)
GO
go mod tidy -e >/dev/null 2>&1
for package in k8s.io/kubernetes/cmd/kube-apiserver go.etcd.io/etcd/server/v3; do
    CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o "bin/$(basename "${package%/v3}")" "$package"
done

bin/server --data-dir=data --listen-client-urls="unix://$folder/etcd" --advertise-client-urls=http://localhost:1 \
    --listen-peer-urls="unix://$folder/peer" --unsafe-no-fsync --log-level=fatal 2>etcd.log &
servers+=($!)
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
openssl ecparam -genkey -name prime256v1 -noout -out key
echo 'secret,me,me,"system:masters"' >tokens
bin/kube-apiserver --etcd-servers="unix://$folder/etcd" --secure-port="$port" --bind-address=127.0.0.1 --cert-dir="$folder" \
    --token-auth-file=tokens --authorization-mode=RBAC --service-account-issuer=https://localhost \
    --service-account-key-file=key --service-account-signing-key-file=key --service-cluster-ip-range=10.0.0.0/24 2>server.log &
servers+=($!)

ask() { curl -sk --max-time 20 -H 'Authorization: Bearer secret' "$@"; }
server=https://127.0.0.1:$port
for _ in $(seq 600); do ! ask -f "$server/api/v1/namespaces/default" >/dev/null || break; sleep 0.2; done
echo "k8s.io/kubernetes v1.36.3"

python3 - "$port" <<'PYTHON'
import http.client
import json
import ssl
import statistics
import sys
import time

connection = http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), context=ssl._create_unverified_context())
core = "/api/v1/namespaces/default"


def took(method, path, body=None):
    """Milliseconds until the answer."""
    start = time.perf_counter()
    headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
    connection.request(method, core + path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status < 300, answer.status
    return 1000 * (time.perf_counter() - start)


behind, current, gets = [], [], []
for number in range(20):
    took("POST", "/configmaps", {"metadata": {"name": f"one-{number}"}})
    behind.append(took("GET", "/secrets"))
    current.append(took("GET", "/secrets"))
    gets.append(took("GET", f"/configmaps/one-{number}"))
late, same, get = map(statistics.median, (behind, current, gets))
print(f"median of 20: a list after a write of another type {late:.1f} ms, the same list again {same:.1f} ms, a get {get:.1f} ms")
sys.exit(not late - same > 50)
PYTHON

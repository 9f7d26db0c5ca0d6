#!/usr/bin/env bash
# kube-apiserver answers the PATCH that finally deletes an object with the resourceVersion of an earlier write.
#
# The answer to a write has the version of that write, and a watch can continue from there; since KEP-5504 versions may also be
# compared. A PATCH that removes the last finalizer of a deleted object succeeds with 200 and removes the object, with a new version
# that the DELETED event has. But its answer has the version of the earlier DELETE. A client that looks for the cause of an event by
# the version in an answer finds none, and treats the PATCH as a write without effect.
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

type=application/json
ask() { curl -sk --max-time 20 -H 'Authorization: Bearer secret' -H "Content-Type: $type" "$@"; }
server=https://127.0.0.1:$port
for _ in $(seq 600); do ! ask -f "$server/api/v1/namespaces/default" >/dev/null || break; sleep 0.2; done
echo "k8s.io/kubernetes v1.36.3"

maps=$server/api/v1/namespaces/default/configmaps
version() { python3 -c 'import json, sys; print(json.load(sys.stdin)["metadata"]["resourceVersion"])'; }
created=$(ask "$maps" -d '{"metadata": {"name": "held", "finalizers": ["example.com/hold"]}}' | version)
marked=$(ask -X DELETE "$maps/held" | version)
type=application/merge-patch+json
patched=$(ask -X PATCH "$maps/held" -d '{"metadata": {"finalizers": null}}' | version)
gone=$(ask "$maps?watch=true&timeoutSeconds=1&resourceVersion=$created&fieldSelector=metadata.name=held" | tail -n 1)
removed=$(python3 -c 'import json, sys; event = json.loads(sys.argv[1]); assert event["type"] == "DELETED"; print(event["object"]["metadata"]["resourceVersion"])' "$gone")
echo "the DELETE marked it at version $marked; the PATCH answered with $patched; the object was removed at $removed"
[ "$patched" = "$marked" ] && [ "$removed" -gt "$patched" ]

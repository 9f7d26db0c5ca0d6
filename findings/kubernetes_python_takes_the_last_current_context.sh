#!/usr/bin/env bash
# With two files in KUBECONFIG, Kubernetes' official Python client uses the current context of the last, and kubectl that of the first.
#
# The documentation of KUBECONFIG says that the first file to set a value wins, and kubectl and client-go do so. The Python client
# merges clusters, users and contexts in this way, but not `current-context`: with KUBECONFIG=staging:production, kubectl talks to
# staging, and a Python program in the same shell to production. Both of its halves do (kubernetes.config, kubernetes.aio.config).
# Needs python3 and, for the comparison, go. Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
for name in staging production; do
    cat >"$name" <<YAML
apiVersion: v1
kind: Config
current-context: $name
clusters: [{name: $name, cluster: {server: "https://$name.example.org"}}]
contexts: [{name: $name, context: {cluster: $name, user: $name}}]
users: [{name: $name, user: {token: t}}]
YAML
done
cat >go.mod <<'GO'
module finding

go 1.26.0

require k8s.io/client-go v0.36.3
GO
cat >main.go <<'GO'
package main

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	config, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
	if err != nil {
		panic(err)
	}
	fmt.Print(config.CurrentContext)
}
GO
python3 -m venv venv
venv/bin/pip install -q kubernetes==37.0.2
export KUBECONFIG=$folder/staging:$folder/production GOFLAGS=-mod=mod
go=$(go run . 2>errors) || { cat errors; exit 2; }
python=$(venv/bin/python -c 'from kubernetes import config; print(config.list_kube_config_contexts()[1]["name"])')
aio=$(venv/bin/python -c 'from kubernetes.aio import config; import os; print(config.list_kube_config_contexts(os.environ["KUBECONFIG"])[1]["name"])')
echo "KUBECONFIG=staging:production; client-go 0.36.3: $go; kubernetes 37.0.2: $python; kubernetes.aio 37.0.2: $aio"
[ "$go $python $aio" = "staging production production" ]

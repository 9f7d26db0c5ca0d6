#!/usr/bin/env bash
# Kubernetes' quantities lose their size where there is no suffix for it: 1000E is accepted, and written again as 1.
#
# resource.Quantity keeps the number rightly, and compares it rightly, but its canonical text takes the suffix for ten to the power of
# 21, which does not exist, and leaves it out; 1000000P and 1024Ei (as 9223372036854775807) change too, 1e21 does not. An object with
# such an amount changes when it is read and written once. Needs Go 1.26 or newer. Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/api/resource"
)

func main() {
	one := resource.MustParse("1")
	for text, written := range map[string]string{"1000E": "1", "1000000P": "1", "1e21": "1e21", "999E": "999E"} {
		quantity := resource.MustParse(text)
		fmt.Printf("%s is written as %s; larger than 1: %v\n", text, quantity.String(), quantity.Cmp(one) > 0)
		if quantity.String() != written || quantity.Cmp(one) <= 0 {
			os.Exit(1)
		}
	}
}
GO
cat >go.mod <<'MOD'
module finding

go 1.24
MOD
go mod edit -require=k8s.io/apimachinery@v0.36.3
go mod tidy >/dev/null 2>&1
go list -m k8s.io/apimachinery
go run .

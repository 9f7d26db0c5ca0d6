#!/usr/bin/env bash
# kube-openapi, which judges custom resources, refuses every whole number where a schema says multipleOf: 0.5.
#
# A value that JSON writes without a fraction is an int64, and the factor is made one too: 0.5 becomes 0, and the answer is "factor
# MultipleOf declared for ... must be positive: 0". With multipleOf: 1.5, 4 is accepted (the factor is 1) and 4.1 is not. Needs Go 1.24
# or newer. Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

func fits(factor float64, value any) bool {
	schema := &spec.Schema{SchemaProps: spec.SchemaProps{Type: []string{"number"}, MultipleOf: &factor}}
	result := validate.NewSchemaValidator(schema, nil, "value", strfmt.Default).Validate(value)
	fmt.Printf("%v, multipleOf %v: %v %v\n", value, factor, result.IsValid(), result.Errors)
	return result.IsValid()
}

func main() {
	if fits(0.5, int64(3)) || !fits(0.5, 3.5) || !fits(1.5, int64(4)) || fits(1.5, 4.1) {
		os.Exit(1)
	}
}
GO
cat >go.mod <<'MOD'
module finding

go 1.24
MOD
go mod edit -require=k8s.io/kube-openapi@v0.0.0-20260317180543-43fb72c5454a
go mod tidy >/dev/null 2>&1
go list -m k8s.io/kube-openapi
go run .

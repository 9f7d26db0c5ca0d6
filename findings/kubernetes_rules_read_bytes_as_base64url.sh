#!/usr/bin/env bash
# A rule in CEL of a CustomResourceDefinition fails on bytes that the same definition accepts.
#
# A field of the format "byte" holds base64 as JSON usually has it (RFC 4648, section 4): the schema's check of the
# format takes "+" and "/". A rule (x-kubernetes-validations) that only asks whether the object has the field makes the
# API server decode it for CEL, and the decoder is strfmt.Base64, which reads the other alphabet (section 5): at a "+" or
# a "/" the rule is an error, and the object is refused. Of 32-byte keys about one in four has neither, so a test with one
# key may pass.
#
# Seen with k8s.io/apiextensions-apiserver v0.34.1 (Go module), the API server's own code for schemas and rules:
#   format check: []      rule has(self.key), "QUJD": []      rule has(self.key), "+/+/": [Invalid ... illegal base64 data]
# Without the format the rule holds for both.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat > go.mod <<'MOD'
module finding
go 1.24
MOD
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

func faults(format, text string) (int, int) {
	props := &apiextensions.JSONSchemaProps{
		Type:       "object",
		Properties: map[string]apiextensions.JSONSchemaProps{"key": {Type: "string", Format: format}},
		XValidations: apiextensions.ValidationRules{{Rule: "has(self.key)"}},
	}
	object := map[string]interface{}{"key": text}
	check, _, err := validation.NewSchemaValidator(props)
	must(err)
	bySchema := validation.ValidateCustomResource(field.NewPath("spec"), object, check)
	structural, err := schema.NewStructural(props)
	must(err)
	rules := cel.NewValidator(structural, false, celconfig.PerCallLimit)
	byRule, _ := rules.Validate(context.TODO(), field.NewPath("spec"), structural, object, nil, celconfig.RuntimeCELCostBudget)
	fmt.Printf("format %q, %q: schema %v, rule %v\n", format, text, bySchema, byRule)
	return len(bySchema), len(byRule)
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	good := true
	for _, each := range []struct {
		format, text string
		rule         int
	}{{"byte", "QUJD", 0}, {"byte", "+/+/", 1}, {"", "+/+/", 0}} {
		schema, rule := faults(each.format, each.text)
		good = good && schema == 0 && rule == each.rule
	}
	if !good {
		fmt.Println("changed: see the comment at the top")
		os.Exit(1)
	}
}
GO
export GOFLAGS=-mod=mod
go get k8s.io/apiextensions-apiserver@v0.34.1 k8s.io/apiserver@v0.34.1 > get.log 2>&1 || { cat get.log; exit 1; }
go mod tidy > tidy.log 2>&1 || { cat tidy.log; exit 1; }
go run . 

#!/usr/bin/env bash
# `?watch=no` starts a watch: Kubernetes reads every value except `0` and `false` as true, including the empty text.
#
# One would expect that boolean query parameters are parsed with Go's strconv.ParseBool, as `pretty` is, and that other values are
# errors. Kubernetes converts the other parameters (watch, allowWatchBookmarks, sendInitialEvents, force, orphanDependents, follow)
# with its own function: `?watch=no`, `?watch=off` and `?watch=` watch, `?force=no` forces, and kubernetes_asyncio's `watch=True`
# works. Needs go. Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'GO'
module finding

go 1.24

require k8s.io/apimachinery v0.36.3
GO
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net/url"
	"os"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func main() {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, metav1.SchemeGroupVersion)
	codec := runtime.NewParameterCodec(scheme)
	as_found := map[string]bool{"true": true, "True": true, "no": true, "off": true, "": true, "2": true, "false": false, "FALSE": false, "0": false}
	changed := false
	for word, expected := range as_found {
		options := metav1.ListOptions{}
		if err := codec.DecodeParameters(url.Values{"watch": {word}}, metav1.SchemeGroupVersion, &options); err != nil {
			panic(err)
		}
		_, err := strconv.ParseBool(word)
		fmt.Printf("watch=%-6s is %-5v (valid for strconv.ParseBool: %v)\n", word, options.Watch, err == nil)
		changed = changed || options.Watch != expected
	}
	if changed {
		os.Exit(1)
	}
}
GO
export GOFLAGS=-mod=mod
go version
go run .

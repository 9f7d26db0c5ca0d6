#!/usr/bin/env bash
# RE2 and Go's regexp, "the same syntax" of one author, disagree: `\C` (any byte) compiles in RE2 only, `\p{LC}` in Go only.
#
# Both name re2's syntax page as their syntax. A program in C++ or Python that uses RE2 to check patterns for Kubernetes, whose API
# server uses Go, must refuse `\C` itself. Go has the class `\p{LC}` and its name Cased_Letter since 1.25. We tried 80,000 patterns of
# 130 pieces on 31 texts: all others were accepted, refused and matched in the same way. Needs go 1.25 or newer and python3.
# Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q google-re2==1.1.20251105
cat >re2_words.py <<'PYTHON'
import re2

options = re2.Options()
options.log_errors = False
for pattern in (r"\C", r"\p{LC}", r"\p{Lu}"):
    try:
        re2.compile(pattern, options)
        print(pattern, "yes")
    except re2.error:
        print(pattern, "no")
PYTHON
cat >main.go <<'GO'
package main

import (
	"fmt"
	"regexp"
)

func main() {
	for _, pattern := range []string{`\C`, `\p{LC}`, `\p{Lu}`} {
		word := "yes"
		if _, err := regexp.Compile(pattern); err != nil {
			word = "no"
		}
		fmt.Println(pattern, word)
	}
}
GO
go version
echo "RE2:"
venv/bin/python re2_words.py | tee re2.txt
echo "Go:"
go run main.go | tee go.txt
[ "$(cat re2.txt)" = $'\\C yes\n\\p{LC} no\n\\p{Lu} yes' ] && [ "$(cat go.txt)" = $'\\C no\n\\p{LC} yes\n\\p{Lu} yes' ]

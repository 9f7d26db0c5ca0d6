#!/usr/bin/env bash
# cel-expr-python's substring(start, end) refuses an end that is the end of the string.
#
# The strings extension of CEL takes 0 <= start <= end <= size: 'abc'.substring(1, 3) is 'bc' in cel-go and in Kubernetes. The
# extension that comes with cel-expr-python (cel-cpp) has an error for it, "<start> or <end> is greater than <string>.size()", and for
# 'a'.substring(0, 1) too. A rule that passes on a cluster fails there. Needs python3 (3.11 or newer). Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q cel-expr-python==0.1.3
venv/bin/pip list 2>/dev/null | grep -E '^cel-expr-python '
venv/bin/python - <<'PYTHON'
import sys

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

environment = cel.NewEnv(extensions=[ext_strings.ExtStrings()])
inside, to_the_end = (environment.compile(text).eval() for text in ("'abc'.substring(1, 2)", "'abc'.substring(1, 3)"))
print(f"'abc'.substring(1, 2): {inside.value()}")
print(f"'abc'.substring(1, 3): {to_the_end.type().name()} {to_the_end.value()}")
sys.exit(0 if inside.value() == "b" and to_the_end.type().name() == "ERROR" else 1)
PYTHON

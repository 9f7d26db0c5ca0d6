#!/usr/bin/env bash
# allure-pytest reports a test that Ctrl-C interrupted as passed.
#
# If a test raises KeyboardInterrupt (or calls pytest.exit), pytest counts it neither as passed nor as failed: there is no report of
# the call phase, and the exit code is 2. allure-pytest keeps the status of the setup, `passed`, and writes it at the end of the run,
# so Allure's report of an interrupted run is green. Needs python3 (3.11 or newer). Exits with 0 while this holds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q pytest==9.2.0 allure-pytest==2.16.2
cat >test_it.py <<'PYTHON'
def test_hangs():
    raise KeyboardInterrupt  # as Ctrl-C raises it
PYTHON
code=0
venv/bin/pytest -p no:cacheprovider --alluredir=results test_it.py >output || code=$?
venv/bin/pip list 2>/dev/null | grep -E '^(pytest|allure-pytest) '
echo "pytest: exit code $code; $(tail -1 output)"
venv/bin/python - "$code" <<'PYTHON'
import json
import pathlib
import sys

(result,) = (json.loads(path.read_text()) for path in pathlib.Path("results").glob("*-result.json"))
print(f"Allure: {result['name']} {result['status']}")
sys.exit(0 if sys.argv[1] == "2" and result["status"] == "passed" else 1)
PYTHON

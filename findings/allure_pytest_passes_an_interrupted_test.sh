#!/usr/bin/env bash
# allure-pytest writes a test that was interrupted by Ctrl-C as passed.
#
# pytest counts a test in which KeyboardInterrupt was raised (or pytest.exit called) neither as passed nor as failed: there is no
# report on its body, and the run ends with exit code 2. allure-pytest keeps the status that the test's setup got, `passed`, and
# writes it when the run ends, so Allure's report of an interrupted run is green. Needs python3 (3.11 or newer).
# Exits with 0 while that is so.
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

#!/usr/bin/env bash
# A `yield` in an async test turns it into an expected failure under pytest-asyncio: nothing of it runs, and pytest exits with 0.
#
# One would expect an error: pytest itself refuses a test function with a `yield` ("'yield' keyword is allowed in fixtures, but not
# in tests"), and fails an async generator that no plugin runs. pytest-asyncio in its automatic mode marks it
# `xfail(run=False)`: "1 xfailed" and a warning. A test that was written for a fixture's shape, or got a stray `yield`, never fails
# again, whatever it asserts. With the plugin's marker in strict mode it is the same.
# Needs python3 (3.11 or newer). Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q pytest==9.2.0 pytest-asyncio==1.5.0
cat >test_it.py <<'PYTHON'
import pytest


@pytest.mark.asyncio
async def test_it():
    yield
    assert 1 == 2
PYTHON
venv/bin/pip list 2>/dev/null | grep -i pytest
for mode in auto strict; do
    venv/bin/pytest -q -p no:cacheprovider -o asyncio_mode=$mode test_it.py >output && code=0 || code=$?
    echo "asyncio_mode=$mode: $(tail -1 output), exit code $code"
    grep -q "1 xfailed" output
    [ "$code" = 0 ]
done
venv/bin/pytest -q -p no:cacheprovider -p no:asyncio -W ignore test_it.py >output && code=0 || code=$?
echo "without it: $(tail -1 output), exit code $code"
[ "$code" = 1 ]

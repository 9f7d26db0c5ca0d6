#!/usr/bin/env bash
# `pytest --junitxml` shows a test that passed as skipped, and counts more tests than it lists, where there are subtests.
#
# One would expect a <testcase> for each test (or each subtest), an outcome each, and `tests=` to be their number. pytest reports
# every subtest under its test's id, and the XML takes each report into the one <testcase> of the test: a skipped subtest puts a
# <skipped> into a test that passed - which CI servers show as skipped -, a failed one puts a second <failure> beside the test's
# own, and `tests=` counts reports: 6 here, of 3 test cases. The terminal says that 2 tests passed.
# Needs python3 (3.11 or newer). Exits with 0 while that is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q pytest==9.2.0
cat >test_it.py <<'PYTHON'
import pytest


def test_passes(subtests):
    with subtests.test("left out"):
        pytest.skip("no camera")
    with subtests.test("kept"):
        pass


def test_fails(subtests):
    with subtests.test("wrong"):
        assert 1 == 2


def test_plain():
    pass
PYTHON
venv/bin/pytest -p no:cacheprovider --junitxml=junit.xml test_it.py >output || true
venv/bin/pytest --version
tail -1 output
venv/bin/python - <<'PYTHON'
import sys
from xml.etree import ElementTree

suite = ElementTree.parse("junit.xml").getroot()[0]
cases = {case.get("name"): [child.tag for child in case] for case in suite.iter("testcase")}
print(f"tests={suite.get('tests')} failures={suite.get('failures')} skipped={suite.get('skipped')}", cases)
expected = {"test_passes": ["skipped"], "test_fails": ["failure", "failure"], "test_plain": []}
sys.exit(0 if cases == expected and int(suite.get("tests", 0)) > len(cases) else 1)
PYTHON

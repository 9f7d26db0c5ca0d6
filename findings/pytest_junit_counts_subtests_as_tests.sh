#!/usr/bin/env bash
# With subtests, `pytest --junitxml` reports a passed test as skipped, and its count of tests is larger than its list.
#
# One would expect one <testcase> with one outcome for each test (or each subtest), and their number in `tests=`. pytest reports
# every subtest under the id of its test, and the XML puts all reports into the <testcase> of the test. A skipped subtest adds
# <skipped> to a passed test, which CI servers show as skipped; a failed one adds a second <failure>; and `tests=` counts
# reports: 6 here, for 3 test cases. The terminal says that 2 tests passed.
# Needs python3 (3.11 or newer). Exits with 0 while this holds.
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

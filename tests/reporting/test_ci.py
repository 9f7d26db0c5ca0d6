"""Output for CI: annotations, the summary, and JUnit XML, each parsed as its reader parses it."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.reporting.annotations import LIMIT, annotate, command
from harness.reporting.junit import junit_xml
from harness.reporting.runs import TestRecord
from harness.reporting.summary import DETAILED, LISTED, MESSAGE, counts_in_words, summarize

ENDED = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)
NASTY = "50 %\r\nat a:b,c ::error::no\n\x1b[31mred\x1b[0m \x00 <b>&amp;</b> ```` | `x`"


def record(name: str = "scenarios/test_a.py::test_x", outcome: str = "failed", **changes: Any) -> TestRecord:
    given: dict[str, Any] = {"title": "", "blame": None, "message": "", "duration": 0.5, "rerun": f"pytest {name}"}
    return TestRecord(name=name, outcome=outcome, **(given | changes))


def read_command(line: str) -> tuple[str, dict[str, str], str]:
    """Parse a workflow command as the runner of GitHub Actions does."""
    assert "\n" not in line
    assert "\r" not in line
    found = re.fullmatch(r"::([a-z]+)(?: ([^:]*))?::(.*)", line)
    assert found, line

    def unescaped(text: str, *more: tuple[str, str]) -> str:
        for code, character in (*more, ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            text = text.replace(code, character)
        return text

    pairs = (pair.split("=", 1) for pair in (found[2] or "").split(",") if pair)
    properties = {key: unescaped(value, ("%3A", ":"), ("%2C", ",")) for key, value in pairs}
    return found[1], properties, unescaped(found[3])


@given(st.text(), st.text(min_size=1))
def test_a_workflow_command_survives_a_round_trip(message: str, title: str) -> None:
    assert read_command(command("error", message, title=title, line=None)) == ("error", {"title": title}, message)


def test_a_failure_is_an_error_and_a_test_not_run_a_warning() -> None:
    tests = [
        record(blame="product", message="expected Connected", details={"file": "scenarios/test_a.py", "line": 12}),
        record("scenarios/test_b.py::test_y", "not run", blame="rig", message="bench 4: no board"),
        record("a suite.A Case", message="x", rerun=""),
        record(outcome="passed"),
        record(outcome="skipped"),
    ]
    lines = annotate(tests, root=Path("/repo/harness"), workspace=Path("/repo"))
    assert [read_command(line) for line in lines] == [
        (
            "error",
            {
                "file": "harness/scenarios/test_a.py",
                "line": "12",
                "title": "scenarios/test_a.py::test_x failed (to blame: product)",
            },
            "expected Connected\n\nrun again: pytest scenarios/test_a.py::test_x",
        ),
        ("error", {"title": "a suite.A Case failed"}, "x"),
        (
            "warning",
            {
                "file": "harness/scenarios/test_b.py",
                "title": "scenarios/test_b.py::test_y not run (to blame: rig)",
            },
            "bench 4: no board\n\nrun again: pytest scenarios/test_b.py::test_y",
        ),
    ]


def test_there_are_no_more_annotations_than_ci_shows() -> None:
    lines = annotate([record(f"t.py::test_{n}") for n in range(LIMIT + 5)], root=Path("."))
    assert len(lines) == LIMIT
    assert read_command(lines[-1])[2] == "and 6 more: see the summary or the report"


def test_a_long_message_keeps_its_beginning_and_end() -> None:
    (line,) = annotate([record(message="\n".join(map(str, range(1000))), rerun="")], root=Path("."))
    lines = read_command(line)[2].splitlines()
    assert (lines[0], lines[12], lines[-1]) == ("0", "... 976 more lines", "999")


def test_colours_are_removed_and_control_characters_escaped() -> None:
    (line,) = annotate([record(message=NASTY, rerun="")], root=Path("."))
    assert "\x1b" not in line
    assert "red \\x00 <b>" in read_command(line)[2]


def html_of(markdown: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(markdown)


def test_the_summary_names_failures_and_their_commands() -> None:
    tests = [
        record(blame="product", message="expected Connected", title="A device enrolls."),
        record("t.py::test_rig", "not run", blame="rig", message="no board"),
        record("t.py::test_good", "passed", duration=3.0),
    ]
    text = summarize("2026-11-21", tests, flaky=["t.py::test_good"], note="The whole report: `x`")
    assert text.startswith("## ❌ 2026-11-21: 1 failed, 1 not run, 1 passed\n")
    html = html_of(text)
    assert "To blame: the product 1, the rig 1." in html
    assert "<summary>failed (to blame: the product): <code>scenarios/test_a.py::test_x</code></summary>" in html
    assert "A device enrolls." in html
    assert "pytest scenarios/test_a.py::test_x" in html
    assert "<td><code>t.py::test_good</code></td>" in html
    assert "Flaky" in html
    assert text.rstrip().endswith("The whole report: `x`")


def test_the_summary_of_a_good_run_is_short() -> None:
    text = summarize("run", [record(outcome="passed")])
    assert text.startswith("## ✅ run: 1 passed\n")
    assert "<details>" not in text
    assert summarize("run", []).startswith("## ⚠️ run: no test")


@given(st.text(max_size=200), st.text(alphabet="`ab|\n<", max_size=30))
def test_no_message_leaves_its_markdown_block(message: str, name: str) -> None:
    html = html_of(summarize("run", [record(name, message=message + "`" * 7 + "<script>", rerun="")]))
    assert "<script>" not in html
    assert html.count("<details>") == html.count("</details>") == 1


def test_a_summary_stays_within_the_limit_of_a_job_page() -> None:
    several = DETAILED + LISTED + 7
    tests = [record(f"t.py::test_{n}", message="x" * 1_000_000) for n in range(several)]
    text = summarize("run", tests)
    assert len(text.encode()) < 512 * 1024
    assert text.count("<details>") == DETAILED
    assert f"... {1_000_000 - MESSAGE} more characters, in the report" in text
    assert "and 7 more." in text


def test_counts_name_only_outcomes_that_occurred() -> None:
    assert counts_in_words(["passed", "failed", "passed", "odd"]) == "1 failed, 2 passed, 1 odd"


def test_junit_has_the_outcome_of_each_test() -> None:
    details = {
        "seed": 7,
        "severity": "critical",
        "options": {"boards": "qemu", "cluster": "embedded"},
        "parts": {"setup": 0.1, "call": 0.4},
        "file": "scenarios/test_a.py",
        "line": 3,
        "links": [{"url": "https://example.org/5"}],
    }
    tests = [
        record(blame="product", message="expected\nConnected", details=details, folder=Path("reports/r/t")),
        record("t.py::test_usage", blame="usage", message="wrong"),
        record("t.py::test_unknown", message=NASTY),
        record("t.py::test_rig", "not run", blame="rig", message="no board"),
        record("t.py::test_left_out", "skipped", message="no csr"),
        record("Suite.Case", "passed"),
    ]
    suite = ET.fromstring(junit_xml("run", tests, ended=ENDED))[0]
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped", "time", "timestamp")}
    assert counts == {
        "tests": "6",
        "failures": "2",
        "errors": "1",
        "skipped": "2",
        "time": "3.000",
        "timestamp": "2026-11-21T07:00:00+00:00",
    }
    failed, usage, unknown, rig, left_out, good = suite
    assert (failed.get("classname"), failed.get("name"), failed.get("line")) == ("scenarios.test_a", "test_x", "3")
    assert {each.get("name"): each.get("value") for each in failed.find("properties") or ()} == {
        "blame": "product",
        "tier": "qemu",
        "cluster": "embedded",
        "seed": "7",
        "severity": "critical",
        "duration.setup": "0.100",
        "duration.call": "0.400",
        "rerun": "pytest scenarios/test_a.py::test_x",
        "report": "reports/r/t",
        "link": "https://example.org/5",
    }
    ends = [(case[-1].tag, case[-1].get("type"), case[-1].get("message")) for case in (failed, usage, rig, left_out)]
    assert ends == [
        ("failure", "product", "expected"),
        ("error", "usage", "wrong"),
        ("skipped", "rig", "not run: no board"),
        ("skipped", "skip", "no csr"),
    ]
    assert failed[-1].text == "expected\nConnected"
    assert "50 %" in (unknown[-1].text or "")
    assert [child.tag for child in good] == ["properties"]
    assert (good.get("classname"), good.get("name")) == ("Suite", "Case")


def test_the_time_for_clusters_is_apart() -> None:
    """The session's first test waits for a cluster of k3d; nobody should look for a slow platform there."""
    first = record("t.py::first", "passed", duration=25.0, details={"cluster_seconds": 21.25})
    other = record("t.py::other", "passed", duration=1.5, details={"cluster_seconds": 0.25})
    assert "| slowest of 2 tests | 26.5 s in total, 21.5 s of it for the cluster |" in summarize("run", [first, other])
    assert "| slowest of 1 tests | 1.5 s in total |" in summarize("run", [other])
    cases = ET.fromstring(junit_xml("run", [first, other], ended=ENDED))[0]
    properties = [{each.get("name"): each.get("value") for each in case.iter("property")} for case in cases]
    assert [each.get("duration.cluster") for each in properties] == ["21.250", None]


@pytest.mark.parametrize("text", ["\x0b", "\ud800", "\ufffe", "]]>", "\x1b[1m"])
def test_junit_is_valid_xml_for_any_message(text: str) -> None:
    case = ET.fromstring(junit_xml(text, [record(message=f"a{text}b", rerun=text)], ended=ENDED))[0][0]
    assert (case[-1].text or "").startswith("a")

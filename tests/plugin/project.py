"""A project folder whose tests run in a separate pytest, and the outputs of its runs."""

import json
import os
import re
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from tests.forked import forking_commands, run_pytest

ALLURE = {"passed": "passed", "unexpected pass": "passed", "failed": "failed"}
"""Allure's status of an outcome. ``broken`` counts as failed, and all other outcomes are skipped."""


class Project:
    """A project folder, and the newest run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")

    def run(self, code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "test_it.py").write_text(code)
        return self.pytest("--import-mode=importlib", *arguments, **environment)

    def pytest(
        self, *arguments: str, within: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the tests of the project, from the folder ``within`` if given."""
        return run_pytest(*arguments, folder=within or self.folder, environment=self._kept() | environment)

    def shell(
        self, command: list[str], within: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=within or self.folder,
            env=self._kept() | environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
            check=False,
        )

    @staticmethod
    def _kept() -> dict[str, str]:
        """The environment of all runs."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "WASMBED_"))}
        kept["PYTEST_ADDOPTS"] = "-p no:asyncio -p no:anyio -p no:trio -p no:hypothesispytest"
        kept["PATH"] = f"{forking_commands()}{os.pathsep}{kept['PATH']}"
        return kept

    @property
    def report(self) -> Path:
        """The folder of the newest run."""
        return max(path for path in (self.folder / "reports").iterdir() if path.is_dir())

    def results(self) -> dict[str, dict[str, Any]]:
        """The result of each test with a stack, by the test's name."""
        found = (json.loads(path.read_text()) for path in self.report.glob("*/result.json"))
        return {result["test"].rpartition("::")[2]: result for result in found}

    def page(self) -> dict[str, Any]:
        """The data of the page."""
        text = (self.report / "index.html").read_text("utf-8")
        found = re.search(r'<script type="application/json" id="run">(.*?)</script>', text, re.DOTALL)
        assert found
        return json.loads(found[1])

    def outcomes(self) -> dict[str, str]:
        """The outcome of each test on the page, by its name; no name occurs twice."""
        tests = self.page()["tests"]
        found = {test["name"].partition("::")[2]: test["outcome"] for test in tests}
        assert len(found) == len(tests)
        return found

    def counts(self) -> dict[str, Counter[str]]:
        """The number of tests of each outcome, for each output. Needs ``--summary=summary.md --alluredir=allure``."""
        with (self.folder / "reports" / "trend.jsonl").open() as file:
            row = json.loads(file.readlines()[-1])
        outcomes = ("passed", "failed", "not_run", "skipped", "expected_failure", "unexpected_pass")
        heading = [line for line in (self.folder / "summary.md").read_text("utf-8").splitlines() if line[:3] == "## "]
        counted = re.findall(r"(\d+) ([a-z ]+)", heading[-1].partition(": ")[2])
        return {
            "page": Counter(test["outcome"] for test in self.page()["tests"]),
            "trend": +Counter({name.replace("_", " "): row.get(name, 0) for name in outcomes}),
            "summary": Counter({name: int(number) for number, name in counted}),
        }

    def allure(self) -> Counter[str]:
        """The number of tests of each status that Allure shows, without retries."""
        tests: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for path in self.folder.glob("allure/*-result.json"):
            result = json.loads(path.read_text())
            tests[result.get("historyId", result["uuid"])].append(result)
        last = [max(same, key=lambda result: result["stop"]) for same in tests.values()]
        return Counter(test["status"].replace("broken", "failed") for test in last)

    def same_everywhere(self) -> Counter[str]:
        """The number of tests of each outcome, which must be the same in all outputs."""
        counts = self.counts()
        assert counts["trend"] == counts["page"]
        assert counts["summary"] == counts["page"]
        statuses: Counter[str] = Counter()
        for outcome, number in counts["page"].items():
            statuses[ALLURE.get(outcome, "skipped")] += number
        assert self.allure() == statuses
        cases = self.junit()  # a test that fails in its call and its teardown has two cases, as in pytest's own file
        assert len({case[:2] for case in cases}) <= counts["page"].total() <= len(cases)
        assert sum(bool({"failure", "error"} & set(elements)) for *_, elements in cases) >= counts["page"]["failed"]
        return counts["page"]

    def junit(self, path: Path | None = None) -> list[tuple[str, str, list[str]]]:
        """The cases of the run's ``junit.xml``, or of the file at ``path``: class, name, elements.

        Asserts that the counts of the suite match its elements.
        """
        suite = ET.parse(path or self.report / "junit.xml").getroot()[0]
        cases = [
            (
                case.get("classname", ""),
                case.get("name", ""),
                [child.tag for child in case if child.tag not in ("properties", "system-out")],
            )
            for case in suite.iter("testcase")
        ]
        tags = Counter(tag for _, _, found in cases for tag in found)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert suite.get(attribute) == str(tags[tag])
        return cases

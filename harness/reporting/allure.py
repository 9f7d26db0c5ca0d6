"""Results for Allure 2 and 3, if a run writes them: with ``--alluredir`` of pytest, or with Allure's listener in Robot.

Allure's packages are imported only then.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import ProductFailure, reason
from harness.core.history import Kind
from harness.core.plain_json import plain as plain_json
from harness.reporting.runs import TestRecord, iterate_run
from harness.reporting.summary import plain

__all__ = ["add_missing", "begin_test", "distinguish", "end_test", "facts_of", "results_folder", "settle"]

_STATUSES = {"passed": ("passed",), "unexpected pass": ("passed",), "failed": ("failed", "broken")}
"""Allure's statuses of an outcome; the other outcomes are ``skipped``."""
CONSOLES = 10
"""The most boards with an attachment each; above that, one attachment has all consoles."""
PARAMETERS = {"boards": "tier", "cluster": "cluster", "fleet": "fleet", "heartbeat": "heartbeat", "seed": "seed"}


def results_folder() -> Path | None:
    """The folder of this run's Allure results; None if it writes none."""
    for plugin in _plugins():
        if type(plugin).__name__ == "AllureFileLogger":
            return Path(plugin._report_dir)
    return None


def begin_test(
    options: Mapping[str, Any], *, severity: str | None = None, links: Iterable[Mapping[str, str]] = ()
) -> None:
    """Add parameters, severity and links to the test that begins now. Does nothing without Allure.

    The seed is excluded when Allure looks for the same test in earlier runs.
    """
    if results_folder() is None:
        return
    for name, value in facts_of(options).items():
        _parameter(name, value, excluded=name == "seed")
    hook = _hook()
    if severity:
        hook.add_label(label_type="severity", labels=[severity])
    for link in links:
        hook.add_link(url=link["url"], link_type=link.get("type", "link"), name=link.get("name"))


def distinguish(run: str) -> None:
    """Add a parameter to the test that begins now, so that Allure does not count it as a retry of a test with the same
    name."""
    if results_folder() is not None:
        _parameter("run", run)


def settle(outcome: str, blame: str | None, message: str) -> None:
    """Give the test that ends now the same outcome as in every other output, and texts that can be encoded."""
    statuses = _STATUSES.get(outcome, ("skipped",))[: 1 if blame == ProductFailure.blame else None]
    for reporter in _reporters():
        test = reporter.get_test(None)
        if test is None:
            continue
        if test.status not in statuses:
            text = f"not run: {message}" if outcome == "not run" else message  # CATEGORIES match this
            test.status, test.statusDetails = statuses[0], _details(text)
        _make_writable(test)


def add_missing(test: TestRecord) -> str | None:
    """Write the result of a test whose end Allure's plugin missed: its worker died, or it was not collected.

    Returns an error message, or None.
    """
    from allure_commons import utils
    from allure_commons.model2 import Label, Parameter, TestResult

    made: Any = utils
    suite, name = test.details.get("case") or ("", test.name)
    facts = facts_of(test.details.get("options") or {})
    full, now = plain_json(f"{suite}#{name}"), made.now()
    result = TestResult(
        uuid=made.uuid4(),
        name=name,
        fullName=full,
        testCaseId=made.md5(full),
        historyId=made.md5(plain_json(test.name), *(facts[key] for key in sorted(facts) if key != "seed")),
        status=_STATUSES.get(test.outcome, ("skipped",))[-1],
        statusDetails=_details(test.message),
        parameters=[Parameter(name=key, value=value, excluded=key == "seed" or None) for key, value in facts.items()],
        labels=[Label("suite", plain_json(suite)), Label("framework", "pytest")],
        start=now,
        stop=now,
    )
    _make_writable(result)
    try:
        for reporter in _reporters():
            reporter.schedule_test(result.uuid, result)
            trouble = end_test(test.folder) if test.folder is not None else None
            reporter.close_test(result.uuid)
            return trouble
    except OSError as error:
        return f"Allure's results of {test.name} are incomplete: {error.strerror}"
    return None


def end_test(folder: Path) -> str | None:
    """Attach the files in ``folder``: history, consoles, sequence pictures; also the blame and the command.

    Returns an error message, or None.
    """
    if results_folder() is None or not folder.is_dir():
        return None
    test = next(iterate_run(folder))
    hook = _hook()
    if test.outcome in ("failed", "not run"):
        hook.add_label(label_type="blame", labels=[test.blame or "unknown"])
    try:
        if test.rerun:
            _attach(test.rerun, "run this test again")
        if (history := folder / "history.jsonl").exists():
            hook.attach_file(
                source=str(history), name="history", attachment_type="application/x-ndjson", extension="jsonl"
            )
        for name, text in _consoles(test):
            _attach(text, name)
        for name, picture in test.pictures.items():
            _attach(picture, f"sequence {name}", "image/svg+xml", "svg")
    except OSError as error:
        return f"Allure's results of {test.name} are incomplete: {reason(error)}"
    return None


def facts_of(options: Mapping[str, Any]) -> dict[str, str]:
    """The options of a stack that Allure shows, by their names there."""
    return {name: str(options[key]) for key, name in PARAMETERS.items() if options.get(key) is not None}


def _consoles(test: TestRecord) -> list[tuple[str, str]]:
    boards: dict[str, list[str]] = {}
    for event in test.events:
        if event.kind is Kind.CONSOLE:
            boards.setdefault(str(event.data.get("board") or event.correlation), []).append(
                plain(str(event.data.get("text", "")))
            )
    if len(boards) <= CONSOLES:
        return [(f"console {name}", "\n".join(lines)) for name, lines in boards.items()]
    return [("consoles", "\n".join(f"{name}: {line}" for name, lines in boards.items() for line in lines))]


def _attach(body: str, name: str, kind: str = "text/plain", extension: str = "txt") -> None:
    _hook().attach_data(body=plain_json(body), name=name, attachment_type=kind, extension=extension)


def _parameter(name: str, value: str, *, excluded: bool = False) -> None:
    from allure_commons.model2 import Parameter

    parameter = Parameter(name=name, value=value, excluded=excluded or None)
    for reporter in _reporters():  # Allure's hook for this adds quotes, and Robot's listener has none
        reporter.get_test(None).parameters.append(parameter)
    for plugin in _plugins():
        if (lifecycle := getattr(plugin, "lifecycle", None)) is not None:
            with lifecycle.update_test_case() as case:
                case.parameters.append(parameter)


def _reporters() -> list[Any]:
    """The reporters of Allure's pytest plugin, which hold its open results."""
    found = (getattr(plugin, "allure_logger", None) for plugin in _plugins())
    return [reporter for reporter in found if reporter is not None]


def _details(message: str) -> Any:
    from allure_commons.model2 import StatusDetails

    return StatusDetails(message=message.partition("\n")[0], trace=message)


def _make_writable(item: Any) -> None:
    """Replace lone surrogates, which UTF-8 cannot encode: they would end the run."""
    item.name = plain_json(item.name)
    if item.statusDetails is not None:
        item.statusDetails.message = plain_json(item.statusDetails.message)
        item.statusDetails.trace = plain_json(item.statusDetails.trace)
    for each in (*item.parameters, *getattr(item, "labels", ())):
        each.value = plain_json(each.value)
    for step in item.steps:
        _make_writable(step)


def _plugins() -> list[Any]:
    commons = sys.modules.get("allure_commons")
    return list(commons.plugin_manager.get_plugins()) if commons is not None else []


def _hook() -> Any:
    import allure_commons

    return allure_commons.plugin_manager.hook

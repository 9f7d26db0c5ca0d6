"""What a test left, handed to Allure where a run writes Allure results: `--alluredir` of pytest, its listener in Robot.

Nothing of Allure is imported unless it is in use; what is written is understood by Allure 2 and by Allure 3.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

from harness.core.errors import reason
from harness.core.history import Kind
from harness.reporting.runs import TestRecord, iterate_run
from harness.reporting.summary import plain

__all__ = ["CATEGORIES", "begin_test", "end_test", "facts_of", "results_folder", "write_about"]

CONSOLES = 10
"""Boards that get an attachment each; the consoles of more come in one."""
PARAMETERS = {"boards": "tier", "cluster": "cluster", "fleet": "fleet", "heartbeat": "heartbeat", "seed": "seed"}
_USAGE, _RIG = "UsageError", "(RigError|not run: |NOT RUN: )"
_ANY = r"[\s\S]*"
CATEGORIES: list[tuple[str, str, list[str], str]] = [
    ("Product: the platform or the firmware is wrong", "product", ["failed"], rf"(?!{_ANY}({_USAGE}|{_RIG})){_ANY}"),
    ("Rig: the equipment failed, nothing was judged", "rig", ["skipped", "failed", "broken"], f"{_ANY}{_RIG}{_ANY}"),
    ("Usage: the caller's mistake", "usage", ["failed", "broken"], f"{_ANY}{_USAGE}{_ANY}"),
    ("Nobody can say", "unknown", ["broken"], rf"(?!{_ANY}({_USAGE}|{_RIG})){_ANY}"),
]
"""Title, blame, statuses, and what the message looks like."""


def results_folder() -> Path | None:
    """Where this run writes Allure results; None where it does not."""
    for plugin in _plugins():
        if type(plugin).__name__ == "AllureFileLogger":
            return Path(plugin._report_dir)
    return None


def begin_test(
    options: Mapping[str, Any], *, severity: str | None = None, links: Iterable[Mapping[str, str]] = ()
) -> None:
    """Tell Allure what the test that now begins runs on: parameters, severity, links. Nothing where it is not in use.

    The seed does not count when Allure looks for the same test in earlier runs.
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


def end_test(folder: Path) -> str | None:
    """Attach what the test left in ``folder``: history, consoles, sequence pictures, how to run it again, blame.

    Returns what went wrong, in words.
    """
    if results_folder() is None or not folder.is_dir():
        return None
    test = next(iterate_run(folder))
    hook = _hook()
    if test.outcome in ("failed", "not run"):
        hook.add_label(label_type="blame", labels=[test.blame or "unknown"])
    try:
        if test.rerun:
            _attach(test.rerun, "run just this again")
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
    """What of a stack's options Allure is told, by the names it shows."""
    return {name: str(options[key]) for key, name in PARAMETERS.items() if options.get(key) is not None}


def write_about(results: Path, facts: Mapping[str, Any], *, job: Mapping[str, str] | None = None) -> None:
    """Write what Allure shows beside the tests: ``environment.properties``, ``categories.json``, ``executor.json``,
    and ``allurerc.json``, with which Allure 3 knows the categories: `allure generate --config`.

    Raises OSError.
    """
    about = {
        "harness": _version("wasmbed-harness"),
        "python": platform.python_version(),
        "system": platform.platform(),
        **{key: value for key, value in facts.items() if value not in (None, "")},
    }
    results.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{key}={_property(str(value))}\n" for key, value in about.items())
    (results / "environment.properties").write_text(text, encoding="utf-8")
    categories = [
        {"name": name, "matchedStatuses": statuses, "messageRegex": message}
        for name, _, statuses, message in CATEGORIES
    ]
    rules = [{"name": name, "matchers": {"labels": {"blame": f"^{blame}$"}}} for name, blame, _, _ in CATEGORIES]
    _write(results / "categories.json", categories)
    _write(results / "allurerc.json", {"categories": rules})
    if job is not None:
        _write(results / "executor.json", dict(job))


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
    _hook().attach_data(body=body, name=name, attachment_type=kind, extension=extension)


def _parameter(name: str, value: str, *, excluded: bool = False) -> None:
    from allure_commons.model2 import Parameter

    parameter = Parameter(name=name, value=value, excluded=excluded or None)
    for plugin in _plugins():  # there is a hook for this, but Robot's listener has none and pytest's adds quotes
        if (reporter := getattr(plugin, "allure_logger", None)) is not None:
            reporter.get_test(None).parameters.append(parameter)
        elif (lifecycle := getattr(plugin, "lifecycle", None)) is not None:
            with lifecycle.update_test_case() as case:
                case.parameters.append(parameter)


def _plugins() -> list[Any]:
    commons = sys.modules.get("allure_commons")
    return list(commons.plugin_manager.get_plugins()) if commons is not None else []


def _hook() -> Any:
    import allure_commons

    return allure_commons.plugin_manager.hook


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # pragma: no cover
        return "unknown"


def _property(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", " ")


def _write(path: Path, data: object) -> None:
    path.write_bytes(orjson.dumps(data, option=orjson.OPT_INDENT_2))

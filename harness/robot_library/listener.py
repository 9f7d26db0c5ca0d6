"""The library's listener: starts and stops stacks, and decides each test's verdict.

A stack runs from the first keyword that needs it to the end of its scope (a test, a suite, or the whole run), in any
case, even after Ctrl-C.
"""

from __future__ import annotations

import atexit
import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from robot import result as results
from robot import running
from robot.api import Error, Failure, SkipExecution, logger
from robot.libraries.BuiltIn import BuiltIn
from robot.running.context import EXECUTION_CONTEXTS

from harness.core.errors import HarnessError, ProductFailure, RigError, UsageError
from harness.core.text import printable
from harness.reporting import allure
from harness.reporting.verdict import UNKNOWN, PhaseResult, Verdict
from harness.robot_library.background import BackgroundRunner
from harness.robot_library.requirements import REQUIRES, replace_body
from harness.robot_library.run import RobotRun, options_of, rerun_command
from harness.stack.backends import check_options, lacking
from harness.stack.hosted import HostedStack
from harness.stack.options import StackOptions
from harness.stack.stack import Stack

__all__ = ["Scope", "StackListener"]

T = TypeVar("T")
LIBRARY = "harness.robot_library"
TERMINATED = "Execution terminated by signal"
"""Robot's message after Ctrl-C."""
OTHER_ERROR = re.compile(r"\A\w+Error: ")
"""The start of Robot's message for an error that is not a failed comparison."""
LONG = 35
"""Lines of a message. Robot cuts a message of more than 40."""


class Scope(StrEnum):
    """How long a stack runs."""

    TEST = "test"
    SUITE = "suite"
    GLOBAL = "global"


class StackListener:
    """The stacks of one import of the library, one at a time."""

    ROBOT_LISTENER_API_VERSION = 3
    ROBOT_LISTENER_PRIORITY = 100
    """Before Allure's listener, which must see the outcome that is decided here."""
    __test__ = False

    def __init__(self, scope: Scope | str, given: Mapping[str, Any]) -> None:
        self._scope, self._given = Scope.TEST, given
        self._wrong_scope: UsageError | None = None
        try:
            self._scope = Scope(scope.lower())
        except ValueError:  # raised in the tests: Robot would show an error of an import as a traceback
            self._wrong_scope = UsageError(f"unknown scope {scope!r}", do=f"one of: {', '.join(Scope)}")
        self._run: RobotRun | None = None
        self._base = StackOptions()
        self._invalid: UsageError | None = None
        self._suites: list[str] = []
        self._hosted: HostedStack | None = None
        self._ends = ExitStack()
        self._owner = ""
        self._test: Verdict | None = None
        self._folder: Path | None = None
        """The folder of the current test, once something is recorded."""
        self._concluded: dict[int, tuple[Verdict, Path | None, str]] = {}
        """By the identity of Robot's result: the verdict, its folder, and Robot's message at that time."""
        self._used = False
        self._cannot_record: RigError | None = None
        self._errors: list[BaseException] = []
        self._earlier: list[BaseException] = []
        """Errors outside tests, in setups of suites: Robot reports them in each test."""

    # Called by keywords.

    def errors_for_robot(self) -> RobotErrors:
        """A context that turns the harness's errors into Robot's."""
        return RobotErrors(self._errors)

    @property
    def options(self) -> StackOptions:
        """The options of a stack that would be started now. Raises Robot's Error for invalid ones."""
        with self.errors_for_robot():
            return self._options({})

    @property
    def stack(self) -> Stack:
        """The current stack; inside a keyword there always is one."""
        assert self._hosted is not None
        return self._hosted.stack

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a keyword's coroutine on the current stack's loop, and turn its errors into Robot's."""
        with self.errors_for_robot():
            return self._current().run(work())

    def option(self, name: str) -> Any:
        """The value of one option."""
        if name not in StackOptions.names():
            with self.errors_for_robot():
                self._base.replace(**{name: None})
        return getattr(self.options, name)

    def start(self, changes: Mapping[str, Any]) -> None:
        """Start a stack with some options changed."""
        with self.errors_for_robot():
            if self._hosted is not None:
                raise UsageError("a stack is running", where="Start Stack", do="use Start Stack before other keywords")
            self._open(self._options(changes))

    def stop(self) -> None:
        """Stop the current stack, if there is one."""
        with self.errors_for_robot():
            self._close()

    # Robot's listener interface.

    def start_suite(self, data: running.TestSuite, result: results.TestSuite) -> None:
        self._suites.append(data.full_name)
        root = Path.cwd()
        try:
            root, self._base = options_of(BuiltIn().get_variables())
            self._invalid = None
        except UsageError as error:
            self._invalid = error
        self._run = self._run or RobotRun.joined(root, self._base)

    def start_test(self, data: running.TestCase, result: results.TestCase) -> None:
        assert self._run is not None
        self._earlier += self._errors
        self._errors.clear()
        self._used = self._hosted is not None
        source = Path(data.source) if data.source is not None else None
        command = rerun_command(data.name, source, self._base, self._run.root) if self._invalid is None else ""
        self._test = Verdict.of(self._run.name_of(data.full_name), data.doc, self._base, command)
        self._test.case = (data.parent.full_name if data.parent is not None else "", data.name)
        self._folder = None
        self._test.file, self._test.line = _relative(source, self._run.root), data.lineno
        self._test.severity = next(_tagged(data.tags, "severity"), None)
        self._test.links = [
            {"url": url, "name": url, "type": kind}
            for kind in ("link", "issue", "tms")
            for url in _tagged(data.tags, kind)
        ]
        self._cannot_record = None
        if self._hosted is not None:
            try:
                self._record(self._hosted, self._test)
            except RigError as error:
                self._cannot_record = error
        if wanted := tuple(_tagged(data.tags, REQUIRES)):
            self._check_requirements(data, wanted)

    def end_test(self, data: running.TestCase, result: results.TestCase) -> None:
        assert self._test is not None
        verdict = self._test
        stack = self._hosted.stack if self._hosted is not None else None
        history = stack.history if stack is not None else None
        if self._hosted is not None and result.passed:
            self._at_end(self._hosted.judge, result)
        elif self._hosted is not None and result.failed:
            self._blame(self._hosted, result)
        if self._scope is Scope.TEST:
            self._at_end(self._close, result)
        self._test = None
        verdict.lost = history.lost if history is not None else None
        if stack is not None:  # the other tests of its suite were faster
            verdict.cluster_seconds, stack.cluster_seconds = stack.cluster_seconds, 0.0
        if not EXECUTION_CONTEXTS.current.dry_run:
            self._conclude(verdict, result)
            result.message = printable(result.message, lines=True)  # it may quote a device
        self._errors.clear()

    def end_suite(self, data: running.TestSuite, result: results.TestSuite) -> None:
        self._suites.pop()
        for test in result.all_tests:  # a failed teardown of the suite fails its tests after their end
            verdict, folder, message = self._concluded.get(id(test), (None, None, test.message))
            if verdict is not None and test.message != message:
                self._decide(verdict, test)
                self._concluded[id(test)] = verdict, folder, test.message
                if folder is not None:
                    verdict.write(folder)
        if self._scope is not Scope.GLOBAL and self._owner == data.full_name:
            self._close_at_end()

    def end_invalid_keyword(
        self, data: running.Keyword, implementation: running.InvalidKeyword, result: results.Keyword
    ) -> None:
        self._errors.append(UsageError(result.message or str(implementation.error)))

    def end_library_keyword(
        self, data: running.Keyword, implementation: running.LibraryKeyword, result: results.Keyword
    ) -> None:
        if not result.failed or self._error_in(result.message) is not None:
            return
        if result.owner == LIBRARY:  # Robot refused its arguments before calling it
            self._errors.append(UsageError(result.message))
        elif ("Should" in (result.name or "") or result.name == "Fail") and not OTHER_ERROR.match(result.message):
            self._errors.append(AssertionError(result.message))

    def close(self) -> None:
        self._close_at_end()
        if self._run is not None:
            self._run.leave()
            self._run = None

    def _check_requirements(self, data: running.TestCase, wanted: Iterable[str]) -> None:
        try:
            reason = lacking(self._options({}), wanted)
        except HarnessError as error:
            self._errors.append(error)
            replace_body(data, "Skip" if isinstance(error, RigError) else "Fail", robot_message(error))
        else:
            if reason is not None:
                replace_body(data, "Skip", reason)

    # Stacks.

    def _current(self) -> HostedStack:
        if self._cannot_record is not None:
            raise self._cannot_record
        return self._hosted or self._open(self._options({}))

    def _options(self, changes: Mapping[str, Any]) -> StackOptions:
        if error := self._wrong_scope or self._invalid:
            raise error
        options = self._base
        for each in (self._given, changes):
            options = options.replace(**each)
        check_options(options)
        return options

    def _open(self, options: StackOptions) -> HostedStack:
        if self._run is None or (self._test is None and self._scope is Scope.TEST):
            raise UsageError(
                "a keyword outside of tests has no stack",
                where="the library's scope is test",
                do="use keywords inside tests, or import the library with scope=suite",
            )
        owner = self._suites[-1]
        folder = self._claim(self._test) if self._test is not None else self._run.folder.claim(owner)
        if self._test is not None:
            self._test.seed, self._test.options = options.seed, asdict(options)
            self._test.write_interrupted(folder)
            self._used = True
        used = options.replace(modules=self._run.root / options.modules)
        atexit.register(self._close_at_end)
        self._hosted, self._owner = self._ends.enter_context(HostedStack.opened(used, folder, BackgroundRunner)), owner
        return self._hosted

    def _record(self, hosted: HostedStack, test: Verdict) -> None:
        """Continue the history of a shared stack in the test's folder, which gets a copy of all events so far."""
        assert self._run is not None
        folder, history = self._claim(test), hosted.stack.history
        test.write_interrupted(folder)
        former = history.path

        async def continue_there() -> None:
            history.go_on_in(folder / "history.jsonl")
            history.note("test started", test=test.test)

        hosted.begin()
        hosted.run(continue_there())
        if former is not None and not (former.parent / "result.json").exists():  # written by a suite's setup
            with suppress(OSError):
                former.unlink()
                former.parent.rmdir()

    def _close(self) -> None:
        self._hosted = None
        atexit.unregister(self._close_at_end)
        self._ends.close()

    def _close_at_end(self) -> None:
        """Stop the stack after the last test: errors can only be logged."""
        try:
            self._close()
        except HarnessError as error:
            logger.warn(str(error))

    # Verdicts.

    def _at_end(self, step: Callable[[], object], result: results.TestCase) -> None:
        try:
            step()
        except Exception as error:
            self._errors.append(error)
            if result.passed:
                result.status = "SKIP" if isinstance(error, RigError) else "FAIL"
            result.message = "\n\n".join(filter(None, [result.message, robot_message(error)]))

    def _blame(self, hosted: HostedStack, result: results.TestCase) -> None:
        """Excuse a test that failed, also by a keyword of Robot's own, if the cluster is to blame."""
        try:
            hosted.blame(self._error_in(result.message) or Exception(result.message))
        except RigError as error:
            self._errors.append(error)
            result.status, result.message = "SKIP", f"{robot_message(error)}\n\n{result.message}"

    def _claim(self, test: Verdict) -> Path:
        assert self._run is not None
        if self._folder is None:
            self._folder = self._run.claim(test)
        return self._folder

    def _conclude(self, verdict: Verdict, result: results.TestCase) -> None:
        assert self._run is not None
        verdict.duration = result.elapsed_time.total_seconds()
        verdict.parts = _parts(result)
        self._decide(verdict, result)
        self._run.add(verdict, recorded=self._used or not result.passed)
        if result.passed and not self._used:
            self._concluded[id(result)] = verdict, None, result.message
            return
        folder = self._claim(verdict)
        self._concluded[id(result)] = verdict, folder, result.message
        verdict.write(folder)
        allure.begin_test(verdict.options or {}, severity=verdict.severity)
        if trouble := verdict.lost or allure.end_test(folder):
            logger.warn(f"{verdict.test}: incomplete history: {trouble}")

    def _decide(self, verdict: Verdict, result: results.TestCase) -> None:
        """Decide a test's verdict from Robot's result."""
        verdict.judge([])
        if result.message.startswith(TERMINATED):
            verdict.interrupt()
            return
        if "robot:exit" in result.tags:
            verdict.judge([PhaseResult("not run", result.message)])
            return
        if result.passed:
            return
        error = self._error_in(result.message)
        if result.skipped and not isinstance(error, RigError):  # also a failure that Robot expects
            verdict.skip(result.message)
            return
        verdict.take(error or Exception(result.message), result.message)
        blame = verdict.blame or UNKNOWN
        result.tags.add(f"blame:{blame}")
        if blame == UsageError.blame:  # Robot's form of an error's kind, by which Allure 2 sorts
            result.message = f"UsageError: {OTHER_ERROR.sub('', result.message, count=1)}"

    def _error_in(self, message: str) -> BaseException | None:
        """The error in Robot's message, which may hold several and be cut."""
        known = reversed([*self._earlier, *self._errors])
        return next((each for each in known if robot_message(each).partition("\n")[0] in message), None)


def _relative(source: Path | None, root: Path) -> str | None:
    if source is None:
        return None
    return str(source.relative_to(root) if source.is_relative_to(root) else source)


def _tagged(tags: Iterable[str], kind: str) -> Iterator[str]:
    """The values of tags like ``severity:critical``."""
    return (tag.partition(":")[2] for tag in tags if tag.lower().startswith(f"{kind}:"))


def _parts(result: results.TestCase) -> dict[str, float]:
    setup = result.setup.elapsed_time.total_seconds() if result.has_setup else 0.0
    teardown = result.teardown.elapsed_time.total_seconds() if result.has_teardown else 0.0
    return {"setup": setup, "call": result.elapsed_time.total_seconds() - setup - teardown, "teardown": teardown}


def robot_message(error: BaseException) -> str:
    """The text of an error in Robot's log."""
    return f"NOT RUN: {error}" if isinstance(error, RigError) else str(error)


class RobotErrors:
    """Turns the harness's errors into Robot's: a RigError skips the test."""

    def __init__(self, errors: list[BaseException]) -> None:
        self._errors = errors

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._errors.append(error)
        if isinstance(error, HarnessError):
            text = robot_message(error)
            if text.count("\n") > LONG:
                logger.info(text)
            if isinstance(error, RigError):
                raise SkipExecution(text) from error
            if isinstance(error, ProductFailure):
                raise Failure(text) from error
            raise Error(text) from error

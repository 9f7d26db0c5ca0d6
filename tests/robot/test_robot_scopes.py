"""A stack runs until the end of its scope, and stops in any case."""

import signal

from tests.robot.project import Project

SHARED = """
First
    ${board}=    Power On Board    name=pump
    Device Should Reach Phase    pump    Connected
    Set Suite Variable    ${board}
Second
    Cut The Link Of    ${board}
    Device Should Reach Phase    pump    Disconnected
Third
    ${phases}=    Get Phases Of    pump
    Should Be Equal    ${phases}[-1]    Disconnected
    Fail    on purpose
"""


def test_the_tests_of_a_suite_share_a_stack_and_each_has_a_whole_history(project: Project) -> None:
    project.write(SHARED, "scope=suite heartbeat=500ms", more="Suite Setup    Power On Board    name=first\n")
    code, output = project.run("it.robot")
    assert code == 1, output
    outcomes = {name: result["outcome"] for name, result in project.results().items()}
    assert outcomes == {"First": "passed", "Second": "passed", "Third": "failed"}
    assert project.results()["Third"]["message"] == "on purpose"
    assert len(list(project.folder.glob("reports/*/*/"))) == 3, "the folder of the suite's setup is removed"
    names = {test: [event["name"] for event in project.events(test)] for test in outcomes}
    assert names["First"].count("stack started") == 1
    assert "cut link" not in names["First"]
    assert names["Third"][: len(names["First"])] == names["First"]
    assert names["Third"].count("test started") == 3
    assert [event["n"] for event in project.events("Third")] == list(range(len(names["Third"])))


def test_with_the_scope_test_a_suites_setup_has_no_stack(project: Project) -> None:
    project.write("It\n    No Operation\n", more="Suite Setup    Power On Board\n")
    code, output = project.run("it.robot")
    assert code == 1
    assert "a keyword outside of tests has no stack" in output
    assert "import the library with scope=suite" in output


def test_an_unknown_scope_is_refused_without_a_traceback(project: Project) -> None:
    project.write("It\n    Power On Board\n", "scope=sweet")
    code, output = project.run("it.robot")
    assert code == 1
    assert "unknown scope 'sweet'\n  -> one of: test, suite, global" in output
    assert "Traceback" not in output


def test_no_test_runs_if_the_rig_fails_in_the_suites_setup(project: Project) -> None:
    setup = "Suite Setup    Power On Boards    1000000    mps2-an385\n"
    project.write("One\n    No Operation\nTwo\n    No Operation\n", "scope=suite", more=setup)
    code, output = project.run("it.robot")
    assert code == 0, output
    assert output.count("NOT RUN It.One, It.Two\n  ") == 1
    results = project.results()
    assert {name: (result["outcome"], result["blame"]) for name, result in results.items()} == {
        "One": ("not run", "rig"),
        "Two": ("not run", "rig"),
    }


def test_with_the_scope_global_one_stack_serves_the_whole_run(project: Project) -> None:
    project.write(
        "One\n    Power On Board    name=pump\n    Device Should Reach Phase    pump    Connected\n",
        "scope=global",
        name="a",
    )
    project.write("Two\n    Device Should Reach Phase    pump    Connected\n    Stop Stack\n", "scope=global", name="b")
    code, output = project.run("a.robot", "b.robot")
    assert code == 0, output
    assert {result["outcome"] for result in project.results().values()} == {"passed"}


def test_ctrl_c_stops_the_stack_and_is_reported(project: Project) -> None:
    project.write(
        "It Hangs\n    [Timeout]    1 minute\n    ${board}=    Power On Board\n"
        "    Device Should Reach Phase    ${board}    Connected\n"
        "    Log To Console    ready\n    Wait For Event    Never    within=5 minutes\n"
    )
    with project.start("it.robot") as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if b"ready" in line:
                    break
            process.send_signal(signal.SIGINT)
            output = process.stdout.read().decode()
        finally:
            process.kill()
    assert "Execution terminated by signal" in output
    assert "report: reports/" in output
    (result,) = project.results().values()
    assert (result["outcome"], result["blame"]) == ("not run", None)
    assert "interrupted" in result["message"]
    closed = [event for event in project.events("It Hangs") if event["name"] == "ConnectionClosed"]
    assert closed, "the stack was stopped gracefully"


def test_heartbeats_continue_between_keywords(project: Project) -> None:
    """A thread of Robot's waits for two heartbeats, without a keyword of the library."""
    waiting = (
        "import threading\n"
        "def wait_for_heartbeats(history):\n"
        "    heard = threading.Semaphore(0)\n"
        "    unsubscribe = history.listen(lambda event: event.name == 'Heartbeat' and heard.release())\n"
        "    assert heard.acquire(timeout=60) and heard.acquire(timeout=60)\n"
        "    unsubscribe()\n"
    )
    (project.folder / "waiting.py").write_text(waiting)
    project.write(
        "It\n    ${board}=    Power On Board\n    Device Should Reach Phase    ${board}    Connected\n"
        "    Wait For Heartbeats    ${board._recorder.record}\n"
        "    ${beats}=    Get Events    Heartbeat    ${board}\n    Should Be True    len($beats) > 1\n"
        "    Event Should Not Have Happened    ConnectionClosed\n",
        "heartbeat=1s",
        more="Library    waiting.py\n",
    )
    code, output = project.run("it.robot")
    assert code == 0, output

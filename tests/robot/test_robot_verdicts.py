"""Each outcome of a Robot test has the folder, outcome, and blame that a pytest test would have."""

import asyncio
import re
from pathlib import Path

from robot.api import ExecutionResult

from harness.robot_library.run import rerun_command
from harness.stack import StackOptions
from tests.clusters.disturber import disturbed_cluster, in_trouble
from tests.robot.project import Project

CASES = """
It Passes
    [Documentation]    A device enrolls.
    ...
    ...    And more.
    ${board}=    Power On Board
    Device Should Reach Phase    ${board}    connected    within=5s    health=healthy
    History Should Follow    device-enrollment
The Product Is Wrong
    Device Should Reach Phase    nobody    Connected    within=100 ms
A Comparison Fails
    ${fleet}=    Get Stack Option    fleet
    Should Be Equal As Integers    ${fleet}    7
A Comparison Cannot Be Made
    Should Be Equal As Integers    some    7
An Invariant Is Broken
    ${board}=    Power On Board
    Device Should Reach Phase    ${board}    Connected
    Evaluate    {dance}
The Rig Fails
    Power On Boards    1000000    mps2-an385
A Keyword Is Unknown
    Powr On Board
A Duration Is Invalid
    Device Should Reach Phase    x    Connected    within=5 parsecs
An Optional Duration Is Invalid
    Power On Board    watchdog=later
A Duration Is Zero
    Device Should Reach Phase    x    Connected    within=0s
A Duration Is The Number Zero
    Device Should Reach Phase    x    Connected    within=0
A Phase Is Unknown
    Device Should Reach Phase    x    Conected
An Argument Is Unknown
    Power On Board    colour=red
A Field Is Unknown
    ${board}=    Power On Board
    Device Should Reach Phase    ${board}    Connected    helth=healthy
A Board Is Unknown
    Power Off Board    ${42}
A Target Is Misspelled
    Deploy Application    idle    too=all
Devices And Labels Together
    Deploy Application    idle    all    labels=site=roof
An Option Is Unknown
    Start Stack    hartbeat=1s
An Expression Is Invalid
    ${board}=    Power On Board
    Board Console Should Show    ${board}    [unclosed
A Peer Is Given As Text
    Enroll Peer    somebody
An Event Is Given As Text
    Wait For Event    Never    after=Heartbeat
A Tier Is Unknown
    Skip Unless There Is Tier    quemu
A Feature Is Unknown
    Skip Unless Boards Have    csr    tsl
Robot's Own Timeout
    [Timeout]    1s
    Wait For Event    Never    within=1 minute
The Harness's Deadline
    Start Stack    deadline=300ms
    Wait For Event    Never    within=1 minute
It Is Skipped
    Skip Unless Boards Have    watchdog
An Expected Failure
    Run Keyword And Expect Error    *did not reach*
    ...    Device Should Reach Phase    nobody    Connected    within=100ms
It Has No Stack
    No Operation
"""
DANCE = (
    "$board._recorder.record.record(type($board._recorder.record[0].kind)('state'), 'Kubernetes', '', 'Device', "
    "{'change': 'added', 'name': 'x', 'status': {'phase': 'Dancing'}}, 'x')"
)
USAGE = {
    "A Keyword Is Unknown": "No keyword with name 'Powr On Board'",
    "A Duration Is Invalid": "'5 parsecs' that cannot be converted to Duration: write a time as in 5s, 200ms or",
    "An Optional Duration Is Invalid": "'later' that cannot be converted to Duration: write a time as in 5s, ",
    "A Duration Is Zero": "write a positive time as in 5s, 200ms or",
    "A Duration Is The Number Zero": "invalid time limit 0.0",
    "A Phase Is Unknown": "'Conected' that cannot be converted to DevicePhase",
    "An Argument Is Unknown": "unknown argument 'colour' (in 'colour=red')",
    "A Field Is Unknown": "has no helth",
    "A Board Is Unknown": "there is no board '42'",
    "A Target Is Misspelled": "unknown argument 'too'",
    "Devices And Labels Together": "labels: cannot be combined with the argument to",
    "An Option Is Unknown": "unknown option: hartbeat",
    "An Expression Is Invalid": "'[unclosed' is not a regular expression: unterminated character set",
    "A Peer Is Given As Text": "UsageError: Argument 'peer' got value 'somebody' that cannot be converted to MockBoard",
    "An Event Is Given As Text": "'Heartbeat' that cannot be converted to Event: give the value that Wait For Event",
    "A Tier Is Unknown": "unknown tier 'quemu'\n  -> did you mean 'qemu'?",
    "A Feature Is Unknown": "no boards have the feature 'tsl', nor does a gateway\n  -> did you mean 'tls'?",
}


def test_an_invalid_projects_file_is_reported_once(project: Project) -> None:
    project.write("It Needs A Stack\n    Power On Board\n")
    (project.folder / "harness.toml").write_text("hartbeat = 3\n")
    code, output = project.run("it.robot")
    assert code == 1, output
    assert output.count("harness.toml: unknown option: hartbeat") == 1
    assert "did you mean 'heartbeat'?" in output
    assert "listener" not in output
    assert project.results()["It Needs A Stack"]["blame"] == "usage"


def test_each_outcome_has_its_blame(project: Project) -> None:
    project.write(CASES.replace("{dance}", DANCE))
    code, output = project.run("--variable", "SEED:7", "--variable", "HEARTBEAT:5 s", "it.robot")
    results = project.results()
    assert code == len([each for each in results.values() if each["outcome"] == "failed"]), output
    assert "Dancing" in results["An Invariant Is Broken"]["message"]
    assert {name: results.pop(name)["blame"] for name in USAGE} == dict.fromkeys(USAGE, "usage")
    for name, message in USAGE.items():
        assert message in output, name
    assert {name: (result["outcome"], result["blame"]) for name, result in results.items()} == {
        "It Passes": ("passed", None),
        "The Product Is Wrong": ("failed", "product"),
        "A Comparison Fails": ("failed", "product"),
        "A Comparison Cannot Be Made": ("failed", None),
        "An Invariant Is Broken": ("failed", "product"),
        "The Rig Fails": ("not run", "rig"),
        "Robot's Own Timeout": ("failed", None),
        "The Harness's Deadline": ("failed", None),
        "It Is Skipped": ("skipped", None),
        "An Expected Failure": ("passed", None),
    }
    assert "to blame: the caller 17, the product 3, unknown 3" in output
    assert "NOT RUN It.The Rig Fails\n  " in output
    assert "(--deadline)" in results["The Harness's Deadline"]["message"]
    assert "there is no such resource" in results["The Product Is Wrong"]["message"]

    passed = results["It Passes"]
    assert (passed["title"], passed["seed"], passed["options"]["heartbeat"]) == ("A device enrolls.", 7, 5)
    assert passed["rerun"] == "robot --test 'It Passes' --variable SEED:7 --variable HEARTBEAT:5.0 it.robot"
    assert 0 < passed["duration"] < 60
    assert any(event["name"] == "EnrollmentRequest" for event in project.events("It Passes"))
    (picture,) = project.folder.glob("reports/*/It.It-Passes/device-enrollment.svg")
    assert picture.stat().st_size
    page = re.search(r"^report: (reports/\S+/index\.html)$", output, re.MULTILINE)
    assert page
    assert (project.folder / page[1]).stat().st_size > 1000

    tests = {test.name: test for test in ExecutionResult(project.folder / "output.xml").suite.tests}
    assert tests["The Rig Fails"].skipped
    assert tests["The Rig Fails"].message.startswith("NOT RUN: ")
    assert "blame:rig" in tests["The Rig Fails"].tags
    assert "blame:product" in tests["An Invariant Is Broken"].tags


def test_a_dry_run_writes_nothing(project: Project) -> None:
    project.write("It Would Pass\n    Power On Board\nIt Would Not\n    Powr On Board\n")
    project.run("--dryrun", "it.robot")
    assert not (project.folder / "reports").exists()


def test_the_command_to_run_a_test_again_runs_only_that_test(tmp_path: Path) -> None:
    command = rerun_command(
        "Is It [This] One?", tmp_path / "it.robot", StackOptions(fleet=3, reports=Path("x")), tmp_path
    )
    assert command == f"robot --test 'Is It [[]This] One[?]' --variable FLEET:3 {tmp_path / 'it.robot'}"


def test_a_folder_that_cannot_be_written_is_the_rigs_fault(project: Project) -> None:
    (project.folder / "reports").write_text("a file")
    project.write("It\n    Power On Board\n")
    code, output = project.run("it.robot")
    assert code == 0, output
    assert "NOT RUN: " in output
    assert "--reports" in output
    assert Path(project.folder / "output.xml").exists()


def test_text_from_a_device_is_escaped_on_the_terminal(project: Project) -> None:
    nasty = "$board.name + '\\x1b[2J\\x9b\\u202e\\u2028'"
    project.write(
        "A Phase\n    ${board}=    Power On Board\n    Device Should Reach Phase    ${board}    Failed    within=0.1s\n"
        f"A Comparison\n    ${{board}}=    Power On Board\n    Should Be Equal    ${{{{{nasty}}}}}    nothing\n"
        f"A Failure\n    ${{board}}=    Power On Board\n    Fail    ${{{{{nasty}}}}}\n"
    )
    code, output = project.run("--output", "NONE", "it.robot")
    assert code == 3, output
    assert not set("\x1b\x9b\u202e\u2028") & set(output), repr(output)
    assert "virtual-1\\x1b[2J\\x9b\\u202e\\u2028 != nothing" in output


DISTURBED = """
A Keyword Fails
    ${board}=    Power On Board
    Device Should Reach Phase    ${board}    Connected    within=1s
A Comparison Fails
    ${board}=    Power On Board
    Should Be Equal    ${board}    another
It Passes All The Same
    Power On Board
"""


async def test_on_a_cluster_that_disturbs_requests_a_failure_is_the_rigs(project: Project, tmp_path: Path) -> None:
    async with disturbed_cluster(tmp_path, in_trouble()) as cluster:
        project.write(DISTURBED, f"scope=suite cluster=kubeconfig kubeconfig={cluster.path}")
        code, output = await asyncio.to_thread(project.run, ".")
    results = project.results()
    assert {name: (result["outcome"], result["blame"]) for name, result in results.items()} == {
        "A Keyword Fails": ("not run", "rig"),
        "A Comparison Fails": ("not run", "rig"),
        "It Passes All The Same": ("passed", None),
    }, output
    assert code == 0

"""``--schedule``: the faults of a file happen in a run, and what the run says of them."""

from __future__ import annotations

from tests.plugin.project import Project

ENROLLS = """
async def test_enrolls(stack):
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Connected", within=60)
    await stack.faults.settled()
"""
CRASH = """\
version = 1

[[faults]]
after = "device-enrollment: Gateway->>Kubernetes: POST Device (spec.publicKey, spec.deviceType)"
fault = "gateway.crash"
lasts = 1.0
"""


def test_the_faults_happen_and_the_run_says_how_to_replay_them(project: Project) -> None:
    (project.folder / "crash.toml").write_text(CRASH)
    done = project.run(ENROLLS, "--boards=sim", "--seed=5", "--schedule=crash.toml")
    assert done.returncode == 0, done.stdout
    assert "replay the faults: pytest --boards=sim --seed=5 --schedule=crash.toml" in done.stdout
    history = next(project.report.glob("*/history.jsonl")).read_text()
    assert '"kill gateway"' in history


def test_a_fault_that_never_happened_is_a_usage_error(project: Project) -> None:
    """The test passed, and says nothing of the fault that it was run for."""
    (project.folder / "crash.toml").write_text(CRASH.replace("lasts", "nth = 9\nlasts"))
    done = project.run(ENROLLS, "--boards=sim", "--schedule=crash.toml")
    assert done.returncode == 2, done.stdout
    assert "crash.toml:3: 1 of the schedule's faults did not apply" in done.stdout
    assert "its arrow never came" in done.stdout


def test_what_is_wrong_with_the_file_is_named(project: Project) -> None:
    (project.folder / "crash.toml").write_text(CRASH.replace("gateway.crash", "gateway.crush"))
    done = project.run(ENROLLS, "--boards=sim", "--schedule=crash.toml")
    assert done.returncode == 2, done.stdout
    assert "crash.toml:5: unknown fault 'gateway.crush'" in done.stdout
    assert "did you mean 'gateway.crash'?" in done.stdout

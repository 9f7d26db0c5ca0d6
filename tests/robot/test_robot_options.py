"""Options by Robot variables, environment and file; several Robots at once; exit codes that say who is to blame."""

SHOWN = "It\n    ${x}=    Get Stack Option    heartbeat\n    Should Be Equal As Numbers    ${x}    ${4}\n"


def test_options_come_from_variables_the_environment_and_the_file(project) -> None:
    (project.folder / "harness.toml").write_text("heartbeat = 4\n[profiles.slow]\nheartbeat = '1min'\n")
    project.write(SHOWN)
    assert project.run("it.robot")[0] == 0
    assert "60.0 != 4" in project.run("--variable", "PROFILE:slow", "it.robot")[1]
    assert "5.0 != 4" in project.run("it.robot", WASMBED_HEARTBEAT="5", WASMBED_PROFILE="slow")[1]
    assert project.run("--variable", "HEARTBEAT:4", "it.robot", WASMBED_HEARTBEAT="5")[0] == 0
    project.write(SHOWN, "heartbeat=4s")
    assert project.run("--variable", "HEARTBEAT:5", "it.robot")[0] == 0


def test_a_wrong_option_is_told_by_the_name_it_was_given_under(project) -> None:
    project.write("It\n    Power On Board\n")
    code, output = project.run("--variable", "SEED:x", "it.robot")
    assert code == 1
    assert "${SEED}: 'x' is not possible" in output
    _, output = project.run("--variable", "KUBECONFIG:x", "it.robot")
    assert "is for --cluster=kubeconfig" in output
    _, output = project.run("it.robot", WASMBED_BOARDS="paper")
    assert "there is no 'paper' here" in output


def test_several_robots_at_once_leave_one_run(project) -> None:
    for name in ("one", "two"):
        project.write("It\n    Power On Board\n", name=name)
    module = "harness.robot_library"
    code, output = project.run("--processes", "2", "--outputdir", "out", "one.robot", "two.robot", module=module)
    assert code == 0, output
    assert output.count("report: ") == 1
    (run,) = (path for path in (project.folder / "reports").iterdir() if path.is_dir())
    assert sorted(path.parent.name for path in run.glob("*/result.json")) == ["One-Two.One.It", "One-Two.Two.It"]
    assert (run / "index.html").exists()


def test_the_exit_code_says_who_is_to_blame(project) -> None:
    def run(cases: str, *more: str) -> int:
        project.write(cases)
        return int(project.run("--outputdir", "out", *more, "it.robot", module="harness.robot_library")[0])

    rig = "Rig\n    Start Stack    cluster=kubeconfig    kubeconfig=nowhere\n"
    usage = "Usage\n    Power On Board    toaster\n"
    product = "Product\n    Device Should Reach Phase    nobody    Connected    within=100ms\n"
    assert run(rig) == 3
    assert run(usage + rig) == 2
    assert run(product + usage) == 1
    assert run(product, "--variable=SEED:x") == 2

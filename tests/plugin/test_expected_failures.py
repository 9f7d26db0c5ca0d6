"""Expected failures and unexpected passes are the same in all outputs as in pytest's."""

from collections import Counter

from tests.plugin.project import Project

EXPECTED = """
import pytest
from harness.core.errors import ProductFailure, RigError
@pytest.mark.xfail(reason="known bug")
async def test_known(stack):
    board = await stack.boards.power_on()
    await stack.device(board).until(phase="Disconnected", within=0.3)
@pytest.mark.xfail
async def test_no_reason(stack): assert 0
@pytest.mark.xfail(raises=ProductFailure)
async def test_raises(stack): raise ProductFailure("wrong")
@pytest.mark.xfail(raises=KeyError)
async def test_raises_another(stack): raise ProductFailure("wrong")
@pytest.mark.xfail(strict=True)
async def test_strict(stack): assert 0
async def test_called(stack): pytest.xfail("not yet")
@pytest.mark.xfail(run=False, reason="it hangs")
async def test_not_run(stack): raise AssertionError("never reached")
@pytest.mark.xfail(reason="known bug")
async def test_passes(stack): pass
@pytest.mark.xfail(reason="known bug", strict=True)
async def test_passes_strict(stack): pass
@pytest.mark.xfail
async def test_rig(stack): raise RigError("the board is not there")
"""
FAILED = {"test_raises_another", "test_passes_strict"}


def test_an_expected_failure_has_no_blame(project: Project) -> None:
    done = project.run(EXPECTED, "--summary=summary.md", "--alluredir=allure", "--junitxml=junit.xml")
    assert "2 failed, 6 xfailed, 1 xpassed, 1 not run" in done.stdout, done.stdout
    assert "to blame: the product 1, unknown 1" in done.stdout or "to blame: unknown 1, the product 1" in done.stdout
    expected = Counter({"failed": 2, "expected failure": 6, "unexpected pass": 1, "not run": 1})
    assert project.same_everywhere() == expected
    results = project.results()
    outcomes = {name: (result["outcome"], result["blame"]) for name, result in results.items()}
    assert {name for name, (outcome, _) in outcomes.items() if outcome == "failed"} == FAILED
    assert outcomes["test_known"] == outcomes["test_called"] == outcomes["test_not_run"] == ("expected failure", None)
    assert outcomes["test_passes"] == ("unexpected pass", None)
    assert outcomes["test_rig"] == ("not run", "rig")
    assert results["test_known"]["message"].startswith("known bug\n\n")
    assert "did not reach" in results["test_known"]["message"]
    assert results["test_passes_strict"]["message"] == "[XPASS(strict)] known bug"
    assert sorted(project.junit()) == sorted(project.junit(project.folder / "junit.xml"))


def test_a_run_with_only_expected_failures_succeeds(project: Project) -> None:
    code = "import pytest\n@pytest.mark.xfail\nasync def test_known(stack): assert 0\n"
    done = project.run(code, "-n1", "--summary=summary.md")
    assert done.returncode == 0, done.stdout
    assert "blame" not in done.stdout
    assert ": 1 expected failure" in (project.folder / "summary.md").read_text("utf-8")
    assert "<details>" not in (project.folder / "summary.md").read_text("utf-8")
    assert 'type="pytest.xfail"' in (project.report / "junit.xml").read_text("utf-8")

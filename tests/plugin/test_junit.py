"""``junit.xml`` has the same cases as ``pytest --junitxml``, and the command that runs a test again works."""

from xml.etree import ElementTree as ET

import pytest

from tests.plugin.project import Project

MIX = """
import pytest
from harness.core.errors import ProductFailure, RigError, UsageError
@pytest.fixture
def bad(): raise ValueError("in setup")
@pytest.fixture
def bad_end():
    yield
    raise ValueError("in teardown")
@pytest.fixture
def left_at_end():
    yield
    pytest.skip("in teardown")
@pytest.fixture(scope="session")
def session(): raise ValueError("for all")
class Odd: pass
def test_good(): pass
def test_bad(): assert Odd() == 1
def test_setup(bad): pass
def test_teardown(bad_end): pass
def test_both(bad_end): assert 0
def test_left_out(): pytest.skip("no")
def test_left_out_then_bad(bad_end): pytest.skip("no")
def test_left_out_at_its_end(left_at_end): pass
@pytest.mark.xfail(reason="known")
def test_expected(): assert 0
@pytest.mark.xfail(reason="known")
def test_expected_twice(bad_end): assert 0
@pytest.mark.xfail(reason="known")
def test_unexpected(): pass
@pytest.mark.parametrize("value", ["[::1]", "a::b", "x/y", "it's", "\\u00fc", "a b", "$HOME"])
def test_value(value): assert value != "a::b"
def test_session_one(session): pass
def test_session_two(session): pass
class TestOuter:
    def test_in(self): pass
    class TestInner:
        def test_in(self): assert 0
        @pytest.mark.parametrize("value", ["::"])
        def test_value(self, value): pass
"""


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_junit_has_the_cases_of_pytests_own_file(project: Project, workers: tuple[str, ...]) -> None:
    (project.folder / "test_stack.py").write_text(MIX + "pytestmark = pytest.mark.usefixtures('stack')\n")
    done = project.run(MIX, *workers, "--junitxml=junit.xml")
    assert done.returncode == 1, done.stdout
    own, pytests = project.junit(), project.junit(project.folder / "junit.xml")
    assert sorted(own) == sorted(pytests)
    assert len(own) == 2 * (23 + 1), "a test that fails in call and teardown has two"
    suite = ET.parse(project.report / "junit.xml").getroot()[0]
    assert suite.get("tests") == str(len(own))


def test_messages_are_the_first_lines_of_verdicts_and_the_same_in_each_run(project: Project) -> None:
    messages = []
    for _ in range(2):
        project.run(MIX + "async def test_stack(stack): assert Odd() == 1\n")
        cases = ET.parse(project.report / "junit.xml").getroot()[0].iter("testcase")
        messages.append(
            {case.get("name"): [each.get("message") for each in case if each.get("message")] for case in cases}
        )
    assert messages[0] == messages[1]
    assert messages[0]["test_stack"] == messages[0]["test_bad"] == ["assert <test_it.Odd object> == 1"]
    assert messages[0]["test_setup"] == ["ValueError: in setup"]
    assert messages[0]["test_expected"] == ["known"]


ODD = """
import pytest
pytestmark = pytest.mark.usefixtures("stack")
class TestOdd:
    @pytest.mark.parametrize("value", ["[::1]", "it's $HOME"])
    def test_value(self, value): assert value != "[::1]"
def test_plain(): pass
"""


@pytest.mark.parametrize(("where", "target"), [("suite", "."), ("beside", "../suite")])
def test_the_command_runs_only_this_test_again_from_the_same_folder(project: Project, where: str, target: str) -> None:
    (project.folder / "beside").mkdir()
    (project.folder / "suite" / "some tests").mkdir(parents=True)
    (project.folder / "suite" / "some tests" / "test_it.py").write_text(ODD)
    started = project.folder / where
    project.pytest(target, within=started)
    tests = project.page()["tests"]
    assert len(tests) == 3
    for test in tests:
        done = project.shell(["sh", "-c", f"{test['rerun']} -p no:cacheprovider"], within=started)
        assert f"1 {test['outcome']} in" in done.stdout, (test["rerun"], done.stdout, done.stderr)
        assert [again["name"] for again in project.page()["tests"]] == [test["name"]]


def test_the_command_repeats_the_options_that_select_root_and_plugins(project: Project) -> None:
    (project.folder / "other.ini").write_text("[pytest]\n")
    (project.folder / "extra.py").write_text("import pytest\n@pytest.fixture\ndef extra(): return 1\n")
    code = "async def test_extra(stack, extra): assert extra == 1\n"
    options = ["-c", "other.ini", "-p", "extra", "-o", "pythonpath=."]
    done = project.run(code, *options, PYTHONPATH=str(project.folder))
    assert done.returncode == 0, done.stdout + done.stderr
    (test,) = project.page()["tests"]
    assert test["rerun"] == "pytest test_it.py::test_extra -c other.ini -p extra -o pythonpath=."
    again = project.shell(["sh", "-c", test["rerun"]], PYTHONPATH=str(project.folder))
    assert "1 passed" in again.stdout, again.stdout + again.stderr


def test_a_group_of_xdist_is_left_out_of_the_command(project: Project) -> None:
    code = "import pytest\n@pytest.mark.xdist_group('one')\nasync def test_grouped(stack): assert 0\n"
    project.run(code, "-n1", "--dist=loadgroup")
    (test,) = project.page()["tests"]
    assert test["rerun"] == "pytest test_it.py::test_grouped"

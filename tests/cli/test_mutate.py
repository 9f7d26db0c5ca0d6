"""``wasmbed mutate``: defects on the wire against a project's own scenarios."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.main import run
from harness.cli.wire_mutation import CAUGHT, Outcome, table
from harness.gateways.relay.defects import wire_defects

LIFE = """
import pytest

@pytest.mark.stack(heartbeat=0.5)
async def test_a_device_beats(stack):
    board = await stack.boards.power_on("virtual")
    device = await stack.device(board).until(phase="Connected", within=60)
    beat = await stack.history.until("HeartbeatAcknowledgment", about=device.name, within=60)
    await stack.history.until("HeartbeatAcknowledgment", about=device.name, after=beat, within=60)
"""
FLAKY = """
from pathlib import Path

def test_flaky(stack):
    seen = Path("seen")
    first, _ = not seen.exists(), seen.touch()
    assert first
"""
DEFECTS = (
    "gateway.heartbeat-acknowledgment.message-id", "gateway.enrollment-response.message-id",
    "device.device-info.field-0", "gateway.stop.drop",
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one scenario."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "test_life.py").write_text(LIFE)
    (tmp_path / "harness.toml").write_text("")
    return tmp_path


def test_which_defects_the_scenarios_catch(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two are caught, and the table says by which judge and whom it blames. One is missed, since nothing else says how
    much memory a device has; one is never exercised, since nothing is stopped. A later run judges only what has no
    outcome yet."""
    only = [f"--only={name}" for name in DEFECTS]
    assert run(["mutate", *only, "--output=found", "--", "test_life.py"]) == 1
    said = capsys.readouterr().out
    assert "caught: 2" in said
    _, *lines = map(json.loads, (project / "found/results.jsonl").read_text().splitlines())
    found = {each["name"]: each for each in lines}
    assert [found[name]["outcome"] for name in DEFECTS] == ["caught", "caught", "missed", "not exercised"]
    first, second = (found[name] for name in DEFECTS[:2])
    assert [(each["judge"], each["blamed"]) for each in (first, second)] == [("invariant", "gateway")] * 2
    assert second["test"] == "test_life.py::test_a_device_beats"
    page = (project / "found/wire-mutation.md").read_text()
    assert f"4 of the {len(wire_defects())} defects were judged: 2 caught, 1 missed, 1 not exercised." in page
    assert "The end that sent it is blamed for 2 of the 2 caught." in page
    assert "- gateway.stop.drop: the gateway's stop is not sent" in page

    assert run(["mutate", *only, "--output=found", "--", "test_life.py"]) == 1
    assert "1/" not in capsys.readouterr().out


def test_a_catch_that_blames_the_other_end_is_listed() -> None:
    found = [
        Outcome("device.heartbeat.drop", "it is not sent", CAUGHT, "t", "until", "board pump-1"),
        Outcome("device.heartbeat.delay", "it is late", CAUGHT, "t", "until", "gateway"),
        Outcome("gateway.stop.drop", "it is not sent", CAUGHT, "t", "time limit"),
    ]
    page = table(found, "mine", ["tests", "--boards=sim"])
    assert "The scenarios: `tests --boards=sim`." in page
    assert "is blamed for 1 of the 3 caught" in page
    assert "## Another end blamed\n\n- device.heartbeat.delay: it is late (blames gateway)\n" in page
    assert "- gateway.stop.drop: it is not sent (blames nobody)" in page


def test_a_failure_in_which_nothing_was_altered_is_no_catch(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A test that fails now and then passes the look at all tests without a defect."""
    (project / "test_life.py").write_text(FLAKY)
    assert run(["mutate", "--only=gateway.stop.drop", "--output=found", "--", "test_life.py"]) == 0
    assert "not exercised: 1" in capsys.readouterr().out
    page = (project / "found/wire-mutation.md").read_text()
    assert "- gateway.stop.drop: the gateway's stop is not sent (test_life.py::test_flaky fails without it: " in page


def test_scenarios_that_fail_without_a_defect(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "test_wrong.py").write_text("def test_wrong(stack):\n    assert False\n")
    assert run(["mutate", "--only=gateway.stop.drop", "--", "test_wrong.py"]) == 2
    assert "test_wrong fails without a defect" in capsys.readouterr().err


def test_a_gateway_that_does_not_start(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`command:` brings a program in; one that ends at once is the rig's failure, not a catch."""
    given = ["mutate", "--only=gateway.stop.drop", "--gateway=command:false", "--", "test_life.py"]
    assert run(given) == 3
    assert "ended before it was ready: exit code 1" in capsys.readouterr().err


def test_arguments_that_pytest_refuses(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["mutate", "--only=gateway.stop.drop", "--", "--no-such-option"]) == 2
    assert "no-such-option" in capsys.readouterr().err
    assert run(["mutate", "--only=nothing.*", "--list"]) == 2
    assert "no defect has such a name" in capsys.readouterr().err


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["mutate", "--list", "--only=gateway.error.*"]) == 0
    assert "gateway.error.field-3.lost" in capsys.readouterr().out

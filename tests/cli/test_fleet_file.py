"""``wasmbed.yaml``: a fleet as a file, and mistakes in it."""

import json
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli.fleet_file import read_fleet
from harness.cli.main import run
from harness.core.errors import UsageError
from tests.cli.command import Start

MODULE = Path(__file__).parents[2] / "scenarios" / "modules" / "hello.wat"
FLEET = """\
heartbeat: 1
namespace: factory
boards:
  pump-1:
    kind: virtual
    labels: {site: roof}
  meter:
    kind: virtual
    count: 2
applications:
  hello:
    module: modules/hello.wat
    to: site=roof
  everywhere:
    module: modules/hello.wat
    fuel: 100000
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with a module."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "hello.wat").write_bytes(MODULE.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return tmp_path


def test_up_finds_the_file_and_runs_its_fleet(start: Start, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wasmbed.yaml").write_text(FLEET)
    up = start("up", "--port=0", "--http-port=0", "--kubeconfig=kubeconfig")
    up.until("3 Connected")
    assert "fleet     wasmbed.yaml\n" in up.said
    applications = start("apps", "--watch", "-o", "json", "-n", "factory")
    applications.until('"name": "hello", "phase": "Running", "target": 1')
    applications.until('"name": "everywhere", "phase": "Running", "target": 3')
    applications.end(signal.SIGTERM)
    assert run(["devices", "-n", "factory", "-o", "json"]) == 0
    devices = json.loads(capsys.readouterr().out)["devices"]
    assert {device["name"]: device["labels"] for device in devices} == {
        "pump-1": {"site": "roof"},
        "meter-1": {},
        "meter-2": {},
    }
    assert up.end(signal.SIGTERM) == 0


def test_other_boards_stand_instead_of_the_file(start: Start, folder: Path) -> None:
    (folder / "wasmbed.yaml").write_text("boards: {a: {kind: none-such}}\n")
    up = start("up", "--boards=none", "--port=0", "--http-port=0", "--kubeconfig=kubeconfig")
    up.until("running")
    assert "wasmbed.yaml" not in up.said
    assert up.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "boards:\n  pump-1: {knd: virtual}\n",
            "f.yaml:2: boards.pump-1.knd: unknown key (and 1 more)\n  -> did you mean 'kind'?",
        ),
        ("heartbeat: 1\nboard: {}\n", "f.yaml:2: board: unknown key\n  -> did you mean 'boards'? known keys: cluster,"),
        (
            "boards:\n  a:\n    kind: virtul\n",
            "f.yaml:3: boards.a.kind: there are no boards of kind 'virtul'\n  -> did you mean",
        ),
        ("boards:\n  a: {kind: virtual, link: wifi}\n", "f.yaml:2: boards.a.link: a virtual has no link 'wifi'"),
        (
            "boards:\n  a: {kind: virtual, count: 0}\n",
            "f.yaml:2: boards.a.count: Input should be greater than or equal to 1",
        ),
        ("boards:\n  a: {kind: virtual}\n  a: {kind: virtual}\n", "f.yaml:3: a: is there already, in line 2"),
        ("boards:\n  A_b: {kind: virtual}\n", "f.yaml:2: boards.A_b: invalid: 'A_b'\n  -> names have a-z"),
        ("boards:\n  a: {kind: virtual, labels: {x: 'a b'}}\n", "f.yaml:2: boards.a.labels.x: invalid: 'a b'"),
        ("boards: [\n", "f.yaml:2: invalid YAML: expected the node content"),
        ("boards: 5\n", "f.yaml:1: boards: must be a mapping of keys to values"),
        ("- a\n", "f.yaml: must be a mapping of keys to values"),
        ("applications:\n  x: {module: no.wat}\n", "f.yaml:2: applications.x.module: cannot be read: No such file"),
        ("applications:\n  x:\n    module: f.yaml\n", "f.yaml:3: applications.x.module: invalid WebAssembly text"),
        (
            "boards:\n  pump-1: {kind: virtual}\napplications:\n  x:\n    module: modules/hello.wat\n    to: pmp-1\n",
            "f.yaml:6: applications.x.to: unknown board 'pmp-1'\n  -> did you mean 'pump-1'? boards in this file: ",
        ),
        (
            "boards:\n  a: {kind: virtual, labels: {site: roof}}\napplications:\n  x: {module: a.wat, to: site=rof}\n",
            "f.yaml:4: applications.x.to: unknown label 'site=rof'\n  -> did you mean 'site=roof'?",
        ),
        ("# the first line\nheartbeat: never\n", "f.yaml:2: heartbeat: invalid value 'never'"),
        ("cluster: none-such\n", "f.yaml:1: cluster: unknown cluster 'none-such'"),
        ("gateway: none-such\n", "f.yaml:1: gateway: "),
        ("faults: absent.toml\n", "absent.toml: cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_key(
    folder: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "f.yaml").write_text(text)
    assert run(["up", "--file=f.yaml", "--port=0", "--http-port=0", "--kubeconfig=kubeconfig"]) == 2
    assert words in capsys.readouterr().err
    assert not (folder / "kubeconfig").exists()


def test_a_file_and_other_boards_exclude_each_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "f.yaml").write_text(FLEET)
    assert run(["up", "--file=f.yaml", "--boards=virtual=2"]) == 2
    assert "omit --boards, or --file" in capsys.readouterr().err
    assert run(["up", "--file=absent.yaml"]) == 2
    assert "absent.yaml: cannot be read" in capsys.readouterr().err


def test_a_board_that_cannot_run_here_is_the_rigs_failure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RENODE", raising=False)
    monkeypatch.setenv("PATH", "")
    (folder / "wasmbed.yaml").write_text("boards:\n  a: {kind: renode}\n")
    assert run(["up", "--port=0", "--http-port=0"]) == 3
    assert (
        "wasmbed.yaml:2: boards.a.kind: tier 'renode' cannot run here\n  -> there is no Renode"
        in capsys.readouterr().err
    )


def test_the_schema_is_printed_and_knows_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["up", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert list(schema["properties"]) == [
        "cluster",
        "gateway",
        "namespace",
        "heartbeat",
        "faults",
        "boards",
        "applications",
    ]
    assert schema["$defs"]["FleetBoard"]["required"] == ["kind"]


@given(st.text(alphabet="ab:{}[]-&*!|>'\"#%@,? \n\t0\x00\ud800", max_size=60))
def test_any_text_is_a_fleet_or_a_usage_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(UsageError):
        read_fleet(path)


TEMPLATES = Path(__file__).parents[2] / "harness" / "wasmbed" / "compile" / "templates"


@pytest.mark.parametrize(
    ("source", "broken", "words", "old", "new"),
    [
        (MODULE, "(module", "invalid WebAssembly text", "hello from a module", "HELLO FROM A MODULE"),
        (TEMPLATES / "hello.c", "int run(", "does not compile", "hello from C", "HELLO FROM C"),
    ],
    ids=["text", "c"],
)
def test_an_application_is_built_and_deployed_again_when_its_source_changes(
    start: Start, folder: Path, source: Path, broken: str, words: str, old: str, new: str
) -> None:
    file = folder / source.name
    file.write_bytes(source.read_bytes())
    (folder / "wasmbed.yaml").write_text(
        f"heartbeat: 1\nboards:\n  a: {{kind: virtual}}\napplications:\n  hello: {{module: {source.name}}}\n"
    )
    up = start("up", "--watch", "--port=0", "--http-port=0", "--kubeconfig=kubeconfig")
    up.until("running")
    file.write_text(broken)
    up.until("application hello was not deployed again")
    assert words in up.said
    replacement = folder / "new"
    replacement.write_text(source.read_text().replace(old, new))
    replacement.rename(file)  # as an editor does
    up.until("application hello deployed again")
    if source.suffix == ".c":  # the module in text publishes, and writes nothing to the console
        logs = start("logs", "-f", "a")
        logs.until(new)
        logs.end(signal.SIGTERM)
    assert up.end(signal.SIGTERM) == 0


def test_without_applications_there_is_nothing_to_watch(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "wasmbed.yaml").write_text("boards:\n  a: {kind: virtual}\n")
    for arguments in ([], ["--boards=virtual=1"]):
        assert run(["up", "--watch", *arguments]) == 2
        assert "--watch: there are no applications to watch" in capsys.readouterr().err

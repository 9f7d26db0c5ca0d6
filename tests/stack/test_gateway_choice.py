"""The choice of a gateway: by kind or by table, from every front door, with features that scenarios ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.stack.backends import lacking
from harness.stack.gateway_choice import check_gateway_choice, find_gateway, gateways
from harness.stack.options import StackOptions
from harness.stack.sources import read_options

TABLES = """
gateway = "lab"

[gateways.lab]
kind = "endpoint"
devices = "127.0.0.1:8443"

[gateways.mine]
command = ["./gateway", "{device_port}"]
reload = "SIGHUP"
reload_line = "again"

[gateways.mine.files]
"config.json" = '{"name": "x"}'
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "harness.toml").write_text(TABLES, "utf-8")
    return tmp_path


def test_the_file_of_the_project_names_a_gateway(project: Path) -> None:
    """A default in harness.toml, a variable before it, an option before both."""
    assert read_options({}, {}, project).gateway == "lab"
    assert read_options({}, {"WASMBED_GATEWAY": "mine"}, project).gateway == "mine"
    assert read_options({"gateway": "process"}, {"WASMBED_GATEWAY": "mine"}, project).gateway == "process"


def test_a_table_says_where_its_keys_are(project: Path) -> None:
    kind, choice = find_gateway(StackOptions(gateway="mine"), project)
    assert (kind.kind, choice.folder) == ("command", project)
    assert choice.at("reload").endswith("harness.toml [gateways.mine], line 10")
    assert choice.at("files").endswith("line 13")


def test_pyproject_has_tables_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.wasmbed-harness.gateways.lab]\nkind = "endpoint"\ndevices = "h:1"\n', "utf-8"
    )
    kind, choice = find_gateway(StackOptions(gateway="lab"), tmp_path)
    assert (kind.kind, choice.at("devices").rpartition(", ")[2]) == ("endpoint", "line 3")


def test_an_unknown_gateway_is_named_with_the_known_ones(project: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown gateway 'mines'\n  -> did you mean 'mine'\? there are: command, "):
        check_gateway_choice(StackOptions(gateway="mines"), project)


def test_a_kind_that_needs_a_table_says_so(project: Path) -> None:
    with pytest.raises(UsageError, match=r"--gateway=command: there is no command .*\n  -> write command = "):
        check_gateway_choice(StackOptions(gateway="command"), project)


def test_the_doctor_lists_kinds_and_tables(project: Path) -> None:
    assert set(gateways(project)) >= {"reference", "process", "command", "endpoint", "lab", "mine"}
    assert not any(gateways(project).values())


def test_a_scenario_is_skipped_for_what_a_gateway_lacks(project: Path) -> None:
    """Features of gateways and of boards are asked for alike."""
    options = StackOptions(gateway="lab", gateway_file=project / "harness.toml")
    assert lacking(options, ["gateway-kill", "wasm"]) == "the gateway lab has no gateway-kill"
    assert lacking(StackOptions(), ["gateway-kill", "wasm"]) is None
    with pytest.raises(UsageError, match=r"feature 'gateway-kil'.*\n  -> did you mean 'gateway-kill'"):
        lacking(options, ["gateway-kil"])


def test_a_system_file_gives_features_and_ports(tmp_path: Path) -> None:
    """The table itself takes precedence; an unknown field is named with its line."""
    (tmp_path / "harness.toml").write_text("[gateways.mine]\ncommand = 'true'\nsystem = 'system.toml'\n", "utf-8")
    system = tmp_path / "system.toml"
    system.write_text('[gateway]\nfeatures = ["gateway-http"]\n\n[gateway.ports]\ndevices = 8443\n', "utf-8")
    kind, choice = find_gateway(StackOptions(gateway="mine"), tmp_path)
    assert "gateway-http" in kind.features_of(choice)
    assert choice.table["ports"] == {"devices": 8443}
    system.write_text("[gateway]\n\nfaetures = []\n", "utf-8")
    with pytest.raises(UsageError, match=r"system.toml:3: unknown field 'faetures'\n  -> did you mean 'features'"):
        find_gateway(StackOptions(gateway="mine"), tmp_path)
    system.write_text("[wires]\n", "utf-8")
    with pytest.raises(UsageError, match=r"system.toml:1: unknown field 'wires'"):
        find_gateway(StackOptions(gateway="mine"), tmp_path)
    system.unlink()
    with pytest.raises(UsageError, match=r"line 3: .*system.toml cannot be read: No such file"):
        find_gateway(StackOptions(gateway="mine"), tmp_path)

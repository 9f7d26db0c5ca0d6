"""``wasmbed.toml``: defaults, profiles, precedence, and what does not fit."""

import json
from pathlib import Path

import pytest

from harness.cli.main import run
from harness.core.errors import UsageError
from harness.platform.settings import read_settings, schema


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_without_a_file_the_defaults_are_used() -> None:
    settings = read_settings(None)
    assert (settings.gateways.port, settings.api.port, settings.aliases.dashboard) == (8081, 3001, None)
    assert settings.platform.folder == Path.cwd() / ".wasmbed"


def test_the_documents_ports_are_a_profile_below_the_file_and_the_option(tmp_path: Path) -> None:
    file = tmp_path / "lab" / "wasmbed.toml"
    file.parent.mkdir()
    file.write_text('[platform]\nprofile = "documents"\n[api]\norigins = ["https://lab"]\n[gateways]\nport = 9000\n')
    settings = read_settings(file, ["aliases.dashboard=4000"])
    assert settings.ports() == {
        "gateways.port": 9000,
        "gateways.http_port": 8080,
        "controllers.port": 8082,
        "api.port": 30_453,
        "infrastructure.port": 30_461,
        "aliases.dashboard": 4000,
        "aliases.gateway_http": 30_451,
    }
    assert settings.platform.folder == file.parent / ".wasmbed"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gatewys]\ncount = 1\n", "gatewys: unknown; known are platform, cluster, gateways"),
        ("[gateways]\nports = 1\n", "gateways.ports: unknown; known are count, port, http_port"),
        ("[gateways]\ncount = 0\n", "gateways.count: Input should be greater than or equal to 1"),
        ("[gateways]\ncount = true\n", "gateways.count: Input should be a valid integer"),
        ('[gateways]\nhosts = "gateway.lab"\n', 'gateways.hosts: write a list, for example ["a", "b"]'),
        (
            '[gateways]\nhosts = ["https://lab:1"]\n',
            "gateways.hosts.0: 'https://lab:1' is neither a host name nor",
        ),
        ('[api]\norigins = ["*"]\n', "api.origins.0: invalid origin '*', which is not https://HOST[:PORT]"),
        ("[api]\nport = 8081\n", "api.port and gateways.port have the same port, 8081"),
        ("[api]\nport = 70000\n[controllers]\nport = -1\n", "(and 1 more)"),
        ("gateways = 3\n", "gateways: Input should be a valid dictionary"),
        ("[api\n", "invalid TOML"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "wasmbed.toml").write_text(text)
    with pytest.raises(UsageError) as raised:
        read_settings(None)
    assert said in str(raised.value)
    assert "wasmbed.toml" in str(raised.value)


@pytest.mark.parametrize("pair", ["api", "api.port", "port=1", "=1", "api.=1"])
def test_a_pair_without_its_form_is_refused(pair: str) -> None:
    with pytest.raises(UsageError, match="is not TABLE"):
        read_settings(None, [pair])


@pytest.mark.parametrize("pair", ["gateways.count=x", "colours.red=1"])
def test_an_option_that_does_not_fit_is_not_looked_for_in_the_file(pair: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_settings(None, [pair])
    assert str(raised.value).startswith("--set: ")


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_settings(tmp_path / "other.toml")


def test_config_prints_a_file_with_which_the_same_settings_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "--set", "platform.profile=documents", "--set", "gateways.count=2"]) == 0
    printed = capsys.readouterr().out
    Path("printed.toml").write_text(printed)
    wanted = read_settings(None, ["platform.profile=documents", "gateways.count=2"])
    assert read_settings(Path("printed.toml")) == wanted


def test_the_schema_names_every_setting_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "--schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == schema()
    assert not printed["additionalProperties"]
    assert set(printed["properties"]) == set(read_settings(None).table())
    gateways = printed["$defs"]["Gateways"]
    assert not gateways["additionalProperties"]
    assert gateways["properties"]["port"]["maximum"] == 65_535

"""Settings of a gateway in a file: what is written is read, and a mistake is shown with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.wasmbed.gateway.settings import GatewaySettings
from harness.wasmbed.gateway.settings_file import parse_setting, read_settings, write_settings


def test_what_is_written_is_read(tmp_path: Path) -> None:
    settings = GatewaySettings(
        name="north", listen=("::1", 8), advertise='a"b\\c:1', device_types=frozenset({"mcu", "x"}), retry_after=0.5
    )
    file = tmp_path / "settings.toml"
    file.write_text(write_settings(settings), "utf-8")
    assert GatewaySettings(**read_settings(file)) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "# none\n\nhearbeat_interval = 3\n",
            r"settings.toml:3: unknown setting 'hearbeat_interval'\n.*'heartbeat_int",
        ),
        ("sessions = 'many'\n", r"settings.toml:1: invalid sessions 'many'"),
        ("sessions = true\n", r"settings.toml:1: invalid sessions True: must be a whole number"),
        ("name = 3\n", r":1: invalid name 3: must be a text"),
        ("listen = '8081'\n", r":1: invalid listen '8081': must be host:port"),
        ("name = 'a'\ndevice_types = [1]\n", r":2: invalid device_types \[1\]: must be a list of texts"),
        ("= 3\n", r"settings.toml: invalid TOML: .*line 1"),
    ],
)
def test_a_mistake_is_shown_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=message):
        read_settings(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"settings.toml: cannot be read: No such file"):
        read_settings(tmp_path / "settings.toml")


def test_text_of_a_command_line_is_read_like_a_file() -> None:
    assert parse_setting("sessions", "7", "--set") == 7
    assert parse_setting("heartbeat_interval", "0.5", "--set") == 0.5
    assert parse_setting("device_types", "mcu,virtual", "--set") == {"mcu", "virtual"}
    assert parse_setting("listen", "[::1]:0", "--set") == ("::1", 0)

"""``wasmbed decode``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import run
from harness.wasmbed.protocol import codec
from harness.wasmbed.protocol.framing import frame
from harness.wasmbed.protocol.messages import Envelope, Stop


def decoded(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    assert run(["decode", *arguments]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_frames_of_version_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sent = frame(codec.encode(Envelope(7, Stop("blink"))))
    (tmp_path / "sent").write_bytes(sent + frame(b"\xff") + sent + sent[:9])
    stop = {"id": 7, "message": "Stop", "fields": {"applicationId": "blink"}}
    assert decoded(capsys, str(tmp_path / "sent"), "--from=gateway", code=1) == [
        {"byte": 0} | stop,
        {"byte": 17, "id": None, "error": "a break outside an item of indefinite length (byte 0)"},
        {"byte": 22} | stop,
        {"byte": 39, "error": "a frame that is cut off: 8 bytes are missing"},
    ]


def test_frames_of_the_original(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sent").write_text("00000005 83 00 07 81 00\n")
    assert decoded(capsys, str(tmp_path / "sent"), "--hex", "--wire=u") == [
        {"byte": 0, "id": 7, "message": "BareHeartbeat", "fields": {}}
    ]


def test_bare_messages_of_the_fork_and_what_is_wrong_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sent").write_text("8100 85 04 6161 01 f6 191000 fa3f000000 183c 03 83000581 03 ff")
    assert decoded(capsys, str(tmp_path / "sent"), "--hex", "--wire=r", code=1) == [
        {"byte": 0, "message": "BareHeartbeat", "fields": {}},
        {
            "byte": 2,
            "malformed": "not well-formed: the array header says 5 items, and 8 follow",
            "message": "NumberedStatus",
            "fields": {
                "applicationId": "a",
                "state": 1,
                "metrics": {"memory": 4096, "cpu": 0.5, "uptime": 60, "calls": 3},
            },
        },
        {"byte": 19, "id": 5, "message": "UuidAcknowledgment", "fields": {}},
        {"byte": 24, "error": "not an array of definite length (byte 24)"},
    ]


def test_what_is_not_hexadecimal_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sent").write_text("hello")
    assert run(["decode", str(tmp_path / "sent"), "--hex"]) == 2
    assert "not hexadecimal digits" in capsys.readouterr().err
    assert run(["decode", str(tmp_path / "absent")]) == 2

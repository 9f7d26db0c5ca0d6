"""A gateway that runs already is used as it is: boards get certificates that it trusts, and it is never stopped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.core.errors import RigError, UsageError
from harness.core.history import Event
from harness.stack import Stack, StackOptions
from harness.wasmbed.pki.keys import private_key_der
from tests.gateways.commands import described

MESSAGES = frozenset(
    {
        *("TlsConnected", "EnrollmentRequest", "EnrollmentAcknowledgment", "DeviceInfo", "ApplicationStatus"),
        *("ChunkAcknowledgment", "DeploymentResult", "ConnectionClosed", "Heartbeat"),
    }
)


async def test_boards_enroll_at_a_gateway_that_runs_already(tmp_path: Path) -> None:
    """The gateway of one stack is the endpoint of another; it runs on when that has ended."""
    async with Stack(StackOptions()) as lab:
        (tmp_path / "ca.der").write_bytes(lab.pki.devices.certificate)
        (tmp_path / "ca-key.der").write_bytes(private_key_der(lab.pki.devices.private_key))
        devices = "{}:{}".format(*lab.gateway.endpoint)
        keys = "device_ca = 'ca.der'\ndevice_ca_key = 'ca-key.der'\n"
        options = described(tmp_path, f"kind = 'endpoint'\ndevices = '{devices}'\n{keys}")
        async with Stack(options) as stack:
            await stack.boards.power_on(name="meter")
            await lab.device("meter").until(phase="Connected")
            await stack.history.until("HeartbeatAcknowledgment", about="meter")
            assert not stack.gateway.features
        await lab.device("meter").until(phase="Disconnected")
        await lab.boards.power_on(name="other")
        await lab.device("other").until(phase="Connected")


async def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    options = described(tmp_path, "kind = 'endpoint'\ndevices = '127.0.0.1:1'\n")
    with pytest.raises(
        RigError, match=r"does not accept connections at 127.0.0.1:1: .*\n  -> start it, or correct devic"
    ):
        async with Stack(options):
            pass


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", r"\[gateways.mine\]: does not say where the gateway listens"),
        ("devices = 'here'\n", r"line 4: devices must be host:port"),
        ("devices = 'h:1'\ndevice_ca = 'x'\n", r"line 5: device_ca and device_ca_key must be two paths"),
        (
            "devices = 'h:1'\nfeatures = ['gateway-kill']\n",
            r"line 5: features must be a list of names\n  -> there are: ",
        ),
        ("devices = 'h:1'\nport = 1\n", r"line 5: unknown key 'port'"),
    ],
)
async def test_a_wrong_table_is_named_with_its_line(body: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        async with Stack(described(tmp_path, f"kind = 'endpoint'\n{body}")):
            pass


async def test_links_of_boards_with_identities_of_their_own_pass_as_ciphertext(tmp_path: Path) -> None:
    """Without the devices' authority nobody but the gateway can end their TLS: the record says so, has the bytes on the
    line, and the messages as the board has seen them."""
    async with Stack(StackOptions()) as lab:
        credentials = await lab.pki.credentials("meter")
        options = described(tmp_path, "kind = 'endpoint'\ndevices = '{}:{}'\n".format(*lab.gateway.endpoint))
        async with Stack(options) as stack:
            board = await stack.mock_board("meter", credentials=credentials)
            await board.enroll()
            (opened,) = stack.history.find("CiphertextOnly")
            assert opened.data["reason"] == "the relay is a tunnel"
            assert stack.history.find("Ciphertext")
            (request,) = stack.history.find("EnrollmentRequest")
            assert request.data["seenBy"] == "board"
            stack.links.disturb(delay=0.01)
            await board.beat()
            stack.links.restore()
            with pytest.raises(UsageError, match="so devices and frames are not known on its links"):
                stack.links.disturb("meter", delay=0.01)
            with pytest.raises(UsageError, match="so devices and frames are not known on its links"):
                stack.links.disturb(drop=2)


async def test_boards_with_identities_of_their_own_show_their_links(tmp_path: Path) -> None:
    """A virtual board holds the plain text: a deployment to it is in the record from its side, to the link's end, and
    judged as far as one link alone can be. A sequence has the gateway's order, so it is not judged, which is said."""
    async with Stack(StackOptions()) as lab:
        credentials = await lab.pki.credentials("meter")
        options = described(tmp_path, "kind = 'endpoint'\ndevices = '{}:{}'\n".format(*lab.gateway.endpoint))
        async with Stack(options) as stack:
            board = await stack.boards.power_on("virtual", name="meter", credentials=credentials)
            await lab.device("meter").until(phase="Connected")
            application = await lab.deploy("hello", to="meter")
            await application.until(phase="Running")
            await board.power_off()
            for record in (lab.history, stack.history):
                await record.until("ConnectionClosed", about="meter")
            seen = [event for event in stack.history.find(source="Device") if event.data.get("seenBy") == "board"]
            assert _messages(seen) == _messages(lab.history.find(source="Device"))
            assert {event.data["link"] for event in seen} == {"meter/1"}
            assert stack.history.find("ModuleChunk", source="Gateway")
            stack.judge()
            with pytest.raises(UsageError, match="recorded as their boards have seen them"):
                stack.history.follows("device-enrollment")


def _messages(events: Iterable[Event]) -> list[str]:
    """The messages of a device in their order: how often it beats is a matter of time."""
    return [event.name for event in events if event.name in MESSAGES - {"Heartbeat"}]

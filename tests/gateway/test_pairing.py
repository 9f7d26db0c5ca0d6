"""Enrollment by signing request: a one-time token gets a certificate, and nothing else."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import pytest

from harness.wasmbed.gateway import Gateway
from harness.wasmbed.pki.certificates import CertificateManager
from harness.wasmbed.pki.identity import Identity
from harness.wasmbed.pki.keys import public_key_der
from harness.wasmbed.protocol.messages import EnrollmentResponse, Error
from harness.wasmbed.resources.api import ApiError
from harness.wasmbed.resources.kinds import SECRET
from tests.gateway.world import World


async def ask(world: World, name: str = "dev-1", **changes: Any) -> tuple[Any, Any, Any]:
    """Return an anonymous device, its key, and a valid request for a certificate with the given changes."""
    device = await world.dial(None)
    key, csr = world.signing_request(name)
    own = public_key_der(key.public_key())
    fields = {"public_key": own, "csr": csr, "pairing_token": "sesame", **changes}
    return device, key, device.request(**fields)


async def test_a_token_and_a_signing_request_get_a_certificate(world: World) -> None:
    await world.give_token("dev-1")
    device, key, request = await ask(world)
    response = await device.ask(request, EnrollmentResponse)
    await device.closed()
    assert response.certificate is not None
    assert world.find_device() is None
    assert not [name for kind, name in world.api.objects if name == "pairing-dev-1"]
    assert [event[2] for event in world.events] == ["TlsConnected", "EnrollmentRequest", "EnrollmentResponse"]
    assert {event[4] for event in world.events} == {"dev-1"}
    assert world.events[0][3]["certificate"] is None

    again = await world.dial(Identity(key, response.certificate))
    await again.connect()
    assert again.id == response.device_id
    await world.phase("dev-1", "Connected")


async def test_a_token_is_valid_once(world: World) -> None:
    await world.give_token("dev-1")
    device, _, request = await ask(world)
    await device.ask(request, EnrollmentResponse)
    second, _, request = await ask(world)
    error = await second.refused(request)
    assert error.code == "ENROLLMENT_FAILED"
    assert "invalid pairing token" in error.message
    await second.closed()


async def test_only_one_of_two_devices_with_the_same_token_gets_a_certificate(world: World) -> None:
    await world.give_token("dev-1")
    secret = world.api.objects[SECRET.plural, "pairing-dev-1"]

    async def overtake(verb: str, resource: Any, name: str) -> None:
        if verb == "patch":
            world.api.fail = lambda verb, resource, name: None
            await world.api.patch(SECRET, name, {"data": secret["data"], "metadata": {"labels": {"x": "y"}}})

    world.api.fail = lambda *asked: overtake(*asked)
    device, _, request = await ask(world)
    assert "invalid pairing token" in (await device.refused(request)).message


@pytest.mark.parametrize(
    ("changes", "expected_text"),
    [
        ({"csr": None}, "has to send a signing request and a pairing token"),
        ({"pairing_token": None}, "has to send a signing request and a pairing token"),
        ({"pairing_token": "guess"}, "invalid pairing token"),
        ({"csr": b"\x30\x00"}, "invalid signing request: not a signing request"),
        ({"public_key": b"another"}, "the key in the request is not the signing request's"),
        ({"device_type": "toaster"}, "unknown device type"),
    ],
)
async def test_an_invalid_request_gets_no_certificate(
    world: World, changes: dict[str, Any], expected_text: str
) -> None:
    await world.give_token("dev-1")
    device, _, request = await ask(world, **changes)
    error = await device.refused(request)
    assert error.code == "ENROLLMENT_FAILED"
    assert expected_text in error.message
    await device.closed()
    assert world.find_device() is None
    assert (SECRET.plural, "pairing-dev-1") in world.api.objects


async def test_a_peer_without_the_token_cannot_claim_a_name(world: World) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def take_time() -> None:
        asked.set()
        await answer.wait()

    world.api.fail = lambda verb, resource, name: take_time() if resource == SECRET else None
    stranger, _, request = await ask(world)
    stranger.link.send(request)
    await asked.wait()
    await world.connected("dev-1")
    answer.set()
    assert "invalid pairing token" in (await stranger.expect(Error)).message


@pytest.mark.parametrize("secret", [{"labels": {}}, {"data": {"token": "!"}}, {"data": {}}])
async def test_a_secret_that_is_not_a_pairing_token_is_refused(world: World, secret: dict[str, Any]) -> None:
    await world.give_token("dev-1", **({"labels": secret["labels"]} if "labels" in secret else {}))
    if "data" in secret:
        world.api.objects[SECRET.plural, "pairing-dev-1"]["data"] = secret["data"]
    device, _, request = await ask(world)
    assert "invalid pairing token" in (await device.refused(request)).message


async def test_a_device_without_a_certificate_may_only_send_an_enrollment_request(world: World) -> None:
    device = await world.dial(None)
    device.id = "01234567-89ab-cdef-0123-456789abcdef"
    error = await device.refused(device.heartbeat())
    assert error.code == "ENROLLMENT_FAILED"
    await device.closed()


async def test_a_registered_device_gets_no_certificate_for_another_key(world: World) -> None:
    first = await world.connected("dev-1")
    await first.link.close()
    await world.phase("dev-1", "Disconnected")
    await world.give_token("dev-1")
    device, _, request = await ask(world)
    error = await device.refused(request)
    assert error.code == "ENROLLMENT_FAILED"
    assert "registered with another key: delete the Device first" in error.message
    assert (SECRET.plural, "pairing-dev-1") in world.api.objects


async def test_a_device_pairs_again_with_its_own_key(world: World) -> None:
    await world.give_token("dev-1")
    device, key, request = await ask(world)
    first = await device.ask(request, EnrollmentResponse)
    again = await world.dial(Identity(key, first.certificate))
    await again.connect()
    await again.link.close()
    await world.phase("dev-1", "Disconnected")
    await world.give_token("dev-1", "again")
    third = await world.dial(None)
    response = await third.ask(
        third.request(public_key=request.public_key, csr=request.csr, pairing_token="again"), EnrollmentResponse
    )
    assert response.device_id == first.device_id


async def test_an_unreachable_api_server_does_not_use_up_the_token(world: World) -> None:
    await world.give_token("dev-1")

    def away(verb: str, resource: Any, name: str) -> None:
        if resource == SECRET:
            raise ConnectionRefusedError("connection refused")

    world.api.fail = away
    device, _, request = await ask(world)
    error = await device.refused(request)
    assert (error.code, error.retry_after) == ("ENROLLMENT_FAILED", 1500)
    world.api.fail = lambda verb, resource, name: None
    second, _, request = await ask(world)
    await second.ask(request, EnrollmentResponse)


@pytest.mark.parametrize("verb", ["patch", "delete"])
@pytest.mark.parametrize("lost", [ConnectionResetError("cut"), ApiError({"code": 504})], ids=["cut", "504"])
async def test_an_answer_that_is_lost_does_not_use_up_the_token(world: World, verb: str, lost: Exception) -> None:
    """The token is marked, or deleted, and the gateway does not learn it: the device gets its certificate."""
    await world.give_token("dev-1")
    done, real = [], getattr(world.api, verb)

    async def do(*given: Any, **more: Any) -> Any:
        answer = await real(*given, **more)
        if given[0] == SECRET and not done:
            done.append(verb)
            raise lost
        return answer

    setattr(world.api, verb, do)
    device, key, request = await ask(world)
    response = await device.ask(request, EnrollmentResponse)
    assert done == [verb]
    assert (SECRET.plural, "pairing-dev-1") not in world.api.objects
    await (await world.dial(Identity(key, response.certificate))).connect()


async def test_a_token_that_could_not_be_deleted_serves_its_user_only(world: World) -> None:
    await world.give_token("dev-1")

    def away(verb: str, resource: Any, name: str) -> None:
        if verb == "delete":
            raise ConnectionRefusedError("connection refused")

    world.api.fail = away
    device, _, request = await ask(world)
    assert (await device.ask(request, EnrollmentResponse)).certificate
    stranger, _, other = await ask(world)
    assert "invalid pairing token" in (await stranger.refused(other)).message
    world.api.fail = lambda verb, resource, name: None
    again = await world.dial(None)
    known = again.request(public_key=request.public_key, csr=request.csr, pairing_token=request.pairing_token)
    assert (await again.ask(known, EnrollmentResponse)).certificate
    assert (SECRET.plural, "pairing-dev-1") not in world.api.objects


async def test_a_new_token_in_the_same_secret_serves_another_key(world: World) -> None:
    await world.give_token("dev-1")
    world.api.fail = lambda verb, resource, name: _away() if verb == "delete" else None
    device, _, request = await ask(world)
    await device.ask(request, EnrollmentResponse)
    world.api.fail = lambda verb, resource, name: None
    await world.api.patch(SECRET, "pairing-dev-1", {"data": {"token": b64encode(b"new").decode()}})
    other, _, request = await ask(world, pairing_token="new")
    assert (await other.ask(request, EnrollmentResponse)).certificate


def _away() -> None:
    raise ConnectionRefusedError("connection refused")


@pytest.mark.settings(starts=False)
async def test_a_gateway_without_an_authority_issues_no_certificate(world: World) -> None:
    world.gateway = Gateway(
        world.settings,
        world.identities,
        CertificateManager(world.devices.certificate, world.clock),
        world.api,
        world.clock,
        world.network,
        world.randomness,
    )
    await world.gateway.start()
    await world.give_token("dev-1")
    device, _, request = await ask(world)
    assert "provision the device" in (await device.refused(request)).message


async def test_a_bounded_number_of_provisional_ids_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.wasmbed.gateway.device_ids._PROVISIONAL_IDS", 1)

    ids = []
    for name in ("dev-1", "dev-2", "dev-1"):
        await world.give_token(name)
        device, _, request = await ask(world, name)
        ids.append((await device.ask(request, EnrollmentResponse)).device_id)
    assert len(set(ids)) == 3

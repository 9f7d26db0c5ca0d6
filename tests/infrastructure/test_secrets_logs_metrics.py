"""Secrets, the log and the metrics of the infrastructure service."""

from __future__ import annotations

import logging
from typing import Any

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from harness.core.clock import ManualClock
from harness.wasmbed.infrastructure.logs import LogBook
from harness.wasmbed.infrastructure.metrics import Metrics
from harness.wasmbed.infrastructure.register import Register
from harness.wasmbed.pki.keys import generate_key
from harness.wasmbed.resources.kinds import SECRET
from tests.api.world import World

SECRETS = "/api/v1/secrets"
VALUE = "correct horse battery staple"


async def test_a_secret_is_kept_counted_and_deleted(world: World) -> None:
    made = await world.ask("POST", SECRETS, {"name": "wifi", "value": VALUE}, status=201)
    assert (made["secret_id"], made["secret"]["access_count"]) == ("wifi", 0)
    for _ in range(2):
        assert (await world.ask("GET", f"{SECRETS}/wifi/value"))["value"] == VALUE
    [shown] = await world.ask("GET", SECRETS)
    assert (shown["access_count"], shown["namespace"]) == (2, "wasmbed")
    assert shown["last_accessed"] is not None
    assert await world.ask("GET", f"{SECRETS}/wifi") == shown
    assert (await world.ask("GET", "/api/v1/status"))["total_secrets"] == 1
    await world.ask("POST", SECRETS, {"name": "wifi", "value": VALUE}, status=409)
    await world.ask("DELETE", f"{SECRETS}/wifi")
    await world.ask("GET", f"{SECRETS}/wifi/value", status=404)


async def test_values_are_in_no_list_and_no_log(world: World) -> None:
    await world.ask("POST", SECRETS, {"name": "wifi", "value": VALUE}, status=201)
    await world.ask("GET", f"{SECRETS}/wifi/value")
    for path in (SECRETS, f"{SECRETS}/wifi", "/logs?limit=1000", "/metrics", "/api/v1/status"):
        answer = await world.ask("GET", path)
        assert VALUE not in (answer if isinstance(answer, bytes) else orjson.dumps(answer)).decode()


@pytest.mark.parametrize("role", ["viewer", "operator", "nobody"])
async def test_secrets_are_for_admins(world: World, role: str) -> None:
    await world.ask("POST", SECRETS, {"name": "wifi", "value": VALUE}, status=201)
    await world.ask("GET", SECRETS, role=role, status=403)
    await world.ask("GET", f"{SECRETS}/wifi/value", role=role, status=403)
    await world.ask("POST", SECRETS, {"name": "b", "value": VALUE}, role=role, status=403)


async def test_other_secrets_of_the_cluster_are_out_of_reach(world: World) -> None:
    other = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "wasmbed-secret-key"},
        "data": {"value": "eA=="},
    }
    await world.api.create(SECRET, other)
    assert await world.ask("GET", SECRETS) == []
    for path in (f"{SECRETS}/key", f"{SECRETS}/key/value"):
        await world.ask("GET", path, status=404)
    await world.ask("DELETE", f"{SECRETS}/key", status=404)
    problem = await world.ask("POST", SECRETS, {"name": "b", "value": "", "namespace": "kube-system"}, status=422)
    assert problem["errors"][0]["field"] == "namespace"


async def test_the_log_has_each_change_with_its_caller(world: World) -> None:
    await world.ask("POST", "/api/v1/certificates", {"subject": "pump-1"}, status=201)
    await world.ask("POST", "/api/v1/certificates", {}, status=422)
    refused, made = (await world.ask("GET", "/logs"))["logs"]
    assert (made["level"], made["message"], made["metadata"]["code"]) == ("Info", "issueCertificate", 201)
    assert made["metadata"]["caller"] == "system:serviceaccount:wasmbed:admin"
    assert (refused["level"], refused["metadata"]["code"]) == ("Warn", 422)
    for query, expected in (
        ("level=Warn", [refused]),
        ("limit=1", [refused]),
        ("text=issue&component=api", [refused, made]),
        ("component=other", []),
        ("since=2999-01-01T00:00:00Z", []),
    ):
        assert (await world.ask("GET", f"/logs?{query}"))["logs"] == expected
    await world.ask("GET", "/logs?since=yesterday", status=422)
    await world.ask("GET", "/logs", role="nobody", status=403)


def test_the_log_takes_records_of_loggers_and_keeps_the_latest() -> None:
    book = LogBook(ManualClock())
    for number in range(10_001):
        book.emit(logging.LogRecord("pki", logging.ERROR, "", 0, "number %d", (number,), None))
    assert len(book) == 10_000
    oldest, newest = book.entries[0], book.entries[-1]
    assert (oldest["message"], newest["message"]) == ("number 1", "number 10000")
    assert (newest["level"], newest["component"]) == ("Error", "pki")


async def test_metrics_are_true_and_prometheus_reads_them(world: World, register: Register) -> None:
    samples = await world.ask("GET", "/api/v1/metrics")
    values = {each["name"]: each["value"] for each in samples}
    assert values["certificates"] == 0
    assert 0 < values["memory_usage"] < 100
    assert 0 < values["disk_usage"] <= 100
    read = text_string_to_metric_families((await world.ask("GET", "/metrics", role="stranger")).decode())
    assert {f"wasmbed_infrastructure_{name}" for name in values} == {family.name for family in read}
    [only] = await world.ask("GET", "/api/v1/metrics?name=disk_usage&limit=1")
    assert only["name"] == "disk_usage"


async def test_an_hour_of_samples_is_kept(tmp_path: Any) -> None:
    clock = ManualClock()
    register = Register(tmp_path / "devices", clock)
    metrics = Metrics(lambda: {"certificates": len(register)}, clock)
    metrics.start()
    for _ in range(121):
        register.issue("pump-1", generate_key().public_key(), 1)
        await clock.advance(30)
    metrics.stop()
    assert [values["certificates"] for _, values in metrics.samples] == list(range(2, 122))
    await clock.advance(30)
    assert len(metrics.samples) == 120

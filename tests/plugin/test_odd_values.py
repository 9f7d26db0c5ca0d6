"""Values that JSON lacks, in a history, parameter, property, message, or header, become text, and the report is
written."""

import base64
import gzip
import json
import re
from typing import Any

import pytest

from tests.plugin.project import Project

VALUES = """
import math
import pytest
from harness.core.history import Kind
def nested(levels):
    value = {}
    for _ in range(levels): value = {"in": value}
    return value
itself = {}
itself["me"] = itself
VALUES = {
    "big": 2**64, "surrogate": "a\\udcff", "deep": nested(300), "deeper": nested(100_000), "nan": math.nan,
    "bytes": b"\\xff", "itself": itself, "keys": {1: 2, b"x": 3}, "huge": 10**5000, "exact": 2**53 + 1,
}
each = pytest.mark.parametrize("value", list(VALUES.values()), ids=list(VALUES))
@each
async def test_history(stack, value):
    stack.history.note("odd", value=value)
    stack.history.record(Kind.MESSAGE, "Device", "Gateway", "Heartbeat", {"metrics": value, "code": value}, "x")
@each
async def test_property(stack, record_property, value): record_property("odd", value)
@each
def test_plain_property(record_property, value): record_property("odd", value)
@pytest.mark.parametrize("value", [2**64, "a\\udcff", "x\\x00y"])
async def test_message(stack, value): raise AssertionError(f"message {value}")
async def test_skip(stack): pytest.skip("a\\udcff")
async def test_title(stack):
    "Title a\\udcff."
"""
SHOWN = {
    "big": "18446744073709551616",
    "surrogate": "a\\udcff",
    "nan": "nan",
    "bytes": "ff",
    "itself": {"me": "(contains itself)"},
    "keys": {"1": 2, "b'x'": 3},
    "huge": "(int that cannot be shown: ValueError)",
    "exact": "9007199254740993",
}


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_no_value_prevents_the_report(project: Project, workers: tuple[str, ...]) -> None:
    done = project.run(VALUES, *workers, "--summary=summary.md", "--annotations=yes")
    assert "3 failed, 31 passed, 1 skipped" in done.stdout, done.stdout[-3000:]
    assert "INTERNALERROR" not in done.stdout
    assert "a bug in the harness" not in done.stdout
    counts = project.counts()
    assert counts["page"] == counts["trend"] == counts["summary"]
    assert counts["page"].total() == 35
    seen = odd_values(project)
    assert {name: seen[name] for name in SHOWN} == SHOWN
    assert "in" in seen["deep"]
    assert "in" in seen["deeper"]
    assert all(test["trouble"] == [] for test in project.page()["tests"])
    assert len(project.junit()) == 35


def odd_values(project: Project) -> dict[str, Any]:
    """The values of the notes on the page, by their test."""
    text = (project.report / "index.html").read_text("utf-8")
    found = {}
    for number, test in enumerate(project.page()["tests"]):
        block = re.search(rf'id="events-{number}">(.*?)</script>', text, re.DOTALL)
        for chunk in json.loads(block[1])["chunks"] if block else ():
            for line in gzip.decompress(base64.b64decode(chunk)).splitlines():
                if "value" in (data := json.loads(line)):
                    found[test["name"].rpartition("[")[2].rstrip("]")] = data["value"]
    return found


@pytest.mark.parametrize(
    ("cluster", "source"),
    [("embedded", r"caf\udce9"), ("embedded-process", r"caf\\udce9")],
    ids=["embedded", "process"],
)
def test_a_header_that_is_not_text_does_no_harm(project: Project, cluster: str, source: str) -> None:
    code = """
import asyncio, base64, ssl
import yaml
async def test_header(stack, tmp_path):
    await stack.cluster.write_kubeconfig(tmp_path / "config")
    config = yaml.safe_load((tmp_path / "config").read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    host, port = cluster["server"].removeprefix("https://").rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    lines = ["DELETE /apis/wasmbed.io/v1/namespaces/default/devices/x HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"Authorization: Bearer {user['token']}", "User-Agent: caf\\xe9/1"]
    writer.write("\\r\\n".join([*lines, "", ""]).encode("latin-1"))
    assert b"NotFound" in await reader.read()
    writer.close()
    await stack.history.until(target="Kubernetes", source="SOURCE")
"""
    done = project.run(code.replace("SOURCE", source), f"--cluster={cluster}")
    assert done.returncode == 0, done.stdout
    (test,) = project.page()["tests"]
    assert (test["outcome"], test["trouble"]) == ("passed", [])
    assert "caf\\\\udce9" in (project.report / "index.html").read_text("utf-8")

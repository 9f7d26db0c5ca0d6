"""The autoscaler's metric, from what a gateway serves to what the autoscaler asks for."""

from __future__ import annotations

import re
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.conftest import DEPLOY
from tests.deploy.server import of_kind
from tests.deploy.test_manifests import BASE
from tests.gateway.world import running_world

MONITORING = DEPLOY / "monitoring"
SELECTOR = re.compile(r"(?P<name>\w+)\{(?P<matchers>[^}]*)\}")
MATCHER = re.compile(r'(?P<label>\w+)(?P<operator>=|!=)"(?P<value>[^"]*)"')
POD = {"namespace": "wasmbed", "pod": "wasmbed-gateway-0"}
"""The labels that Prometheus adds to what it scrapes from a pod."""


def selected(expression: str, samples: dict[tuple[str, tuple[tuple[str, str], ...]], float]) -> list[float]:
    """The values of the samples that an instant vector selector selects."""
    selector = SELECTOR.search(expression)
    assert selector is not None, expression
    found = []
    for (name, pairs), value in samples.items():
        labels = dict(pairs)
        fits = (
            (labels.get(each["label"], "") == each["value"]) == (each["operator"] == "=")
            for each in MATCHER.finditer(selector["matchers"])
        )
        if name == selector["name"] and all(fits):
            found.append(value)
    return found


async def test_the_adapters_rule_fits_what_a_gateway_serves_and_the_autoscaler_asks_for() -> None:
    """The adapter finds the gateway's series, names it as the autoscaler does, and asks for connected devices alone."""
    (rule,) = yaml.safe_load((MONITORING / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    gateway_manifests: list[dict[str, Any]] = list(yaml.safe_load_all((BASE / "gateway.yaml").read_text()))
    (scaler,) = of_kind(gateway_manifests, "HorizontalPodAutoscaler")
    (metric,) = (each["pods"]["metric"] for each in scaler["spec"]["metrics"] if each["type"] == "Pods")
    async with running_world() as world:
        for name in ("dev-1", "dev-2"):
            await (await world.connected(name)).beat()
        _, text = await world.http("GET", "/metrics", token="")
    samples = {
        (sample.name, tuple((sample.labels | POD | {"pod": pod}).items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for pod in (POD["pod"], "wasmbed-gateway-1")
    }
    assert selected(rule["seriesQuery"], samples)
    # Without a name in the rule the adapter's metric has the series' name.
    assert rule.get("name") is None
    assert SELECTOR.search(rule["seriesQuery"])["name"] == metric["name"]
    assert {label: each["resource"] for label, each in rule["resources"]["overrides"].items()} == {
        label: label for label in POD
    }
    wanted = ",".join(f'{label}="{value}"' for label, value in (POD | metric["selector"]["matchLabels"]).items())
    parts = {"Series": metric["name"], "LabelMatchers": wanted, "GroupBy": "pod"}
    query = re.sub(r"<<\.(\w+)>>", lambda found: parts[found[1]], rule["metricsQuery"])
    assert query.startswith("sum(")
    assert query.endswith("by (pod)")
    assert sum(selected(query, samples)) == 2.0

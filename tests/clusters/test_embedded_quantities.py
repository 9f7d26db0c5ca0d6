"""Quantities have one form, as Kubernetes writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clusters.embedded.kinds.quantities import amount, canonical
from harness.clusters.embedded.patches import MERGE_PATCH

PODS = "/api/v1/namespaces/default/pods"
SUFFIXES = ("n", "u", "m", "", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-3")


def pod(**resources):
    return {
        "metadata": {"name": "one"},
        "spec": {"containers": [{"name": "main", "image": "busybox:1", "resources": resources}]},
    }


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1.5", "1500m"),
        ("1000e3", "1e6"),
        ("8Ei", "9223372036854775807"),
        ("1e999999999", "1e999999999"),
        ("0.1n", "1n"),
        ("-1.5Ki", "-1536"),
        (" 1 ", "1"),
        ("1000E", "1"),  # findings/kubernetes_writes_1000E_as_1.sh
    ],
)
def test_a_quantity_has_one_form(text, written):
    assert canonical(text) == written


@pytest.mark.parametrize("text", ["", "x", "1x", "--1", "1..2", "1K", "1e", "0x10", "1e9999999999", "1" * 5000])
def test_what_is_not_a_quantity(text):
    with pytest.raises(ValueError, match="quantit"):
        canonical(text)


@given(st.integers(-(10**11), 10**11), st.integers(0, 6), st.sampled_from(SUFFIXES))
def test_the_form_keeps_the_amount_and_is_final(number, places, suffix):
    digits = f"{abs(number):0{places + 1}d}"
    text = f"{'-' * (number < 0)}{digits[: len(digits) - places]}.{digits[len(digits) - places :]}{suffix}"
    written = canonical(text)
    assert amount(written) == amount(text)
    assert canonical(written) == written


async def test_quantities_of_an_object_are_written_in_that_form(api):
    made = await api("POST", PODS, pod(requests={"cpu": 1, "memory": "1024Ki", "ephemeral-storage": "2000m"}))
    assert made["spec"]["containers"][0]["resources"]["requests"] == {
        "cpu": "1",
        "memory": "1Mi",
        "ephemeral-storage": "2",
    }
    again, version = {"cpu": "1000m", "memory": "1Mi", "ephemeral-storage": "2"}, api.server.version
    await api("PATCH", f"{PODS}/one", {"spec": pod(requests=again)["spec"]}, MERGE_PATCH)
    assert api.server.version == version
    code, _, status = await api.refused("POST", PODS, pod(requests={"cpu": "1x"}))
    assert (code, status["message"].partition(": ")[2][:28]) == (400, "quantities must match the re")

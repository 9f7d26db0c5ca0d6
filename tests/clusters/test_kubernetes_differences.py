"""The page about the differences from Kubernetes is what a run of the differential gives."""

from __future__ import annotations

import pytest

from harness.clusters.apiserver import ApiserverCluster
from tests.clusters.differential.__main__ import PAGE
from tests.clusters.differential.answers import compare, without_variation
from tests.clusters.differential.run import run
from tests.clusters.differential.table import alike_percent, page
from tests.clusters.differential.themes import themes

ALIKE = 97.0
REQUESTS = 1_700


def built(test):
    """A test on a real API server."""
    skip = pytest.mark.skipif(ApiserverCluster.unavailable() is not None, reason=str(ApiserverCluster.unavailable()))
    return pytest.mark.system("kube-apiserver")(skip(test))


@built
async def test_the_page_is_what_a_run_gives():
    chosen = themes()
    results = await run(chosen)
    assert sum(map(len, results.values())) >= REQUESTS
    assert alike_percent(results) >= ALIKE
    assert page(chosen, results) == PAGE.read_text("utf-8"), "run: make kube-diff"


def test_what_varies_by_itself_is_not_compared():
    first, second = {"a": 1, "b": [1, 2], "c": {"d": "x"}}, {"a": 1, "b": [1, 3], "c": {"d": "x"}, "e": 1}
    real = without_variation(first, second)
    assert compare(real, {"a": 1, "b": [1, 9], "c": {"d": "x"}}) == []
    (found,) = compare(real, {"a": 1.0, "b": [1, 9], "c": {"d": "x"}})
    assert (found.path, found.real, found.embedded) == ("a", "1", "1.0")

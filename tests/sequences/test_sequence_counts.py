"""The arrows of a sequence are counted in one way: references expanded, in lists, pictures, and coverage."""

from harness.sequences import catalogue, coverage


def test_lists_pictures_and_coverage_count_the_same_arrows() -> None:
    for flow in catalogue().flows:
        rows = coverage([flow], []).arrows
        assert [row.position for row in rows] == list(range(len(flow.arrows))), flow.name
        assert len(flow.diagram.arrows) == len(flow.arrows), flow.name

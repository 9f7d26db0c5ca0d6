"""Placement: a preference, room, an even spread, and few moves."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from harness.wasmbed.gateway.placement import Candidate, choose_home

names = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
candidates = st.builds(Candidate, names, st.just("host:1"), st.integers(0, 20), st.none() | st.integers(0, 20))
fleets = st.lists(candidates, max_size=6, unique_by=lambda each: each.name)


@given(names, st.none() | names, fleets)
def test_only_a_gateway_with_room_is_chosen(device: str, preferred: str | None, fleet: list[Candidate]) -> None:
    chosen = choose_home(device, preferred, fleet)
    assert chosen is None if not any(each.has_room for each in fleet) else chosen in fleet and chosen.has_room


@given(names, fleets, st.data())
def test_a_preferred_gateway_with_room_is_chosen(device: str, fleet: list[Candidate], data: st.DataObject) -> None:
    if free := [each for each in fleet if each.has_room]:
        preferred = data.draw(st.sampled_from(free))
        assert choose_home(device, preferred.name, fleet) == preferred


@given(names, fleets, st.data())
def test_only_the_devices_of_a_gateway_that_goes_are_moved(
    device: str, fleet: list[Candidate], data: st.DataObject
) -> None:
    """A gateway that comes is one that goes, the other way round."""
    chosen = choose_home(device, None, fleet)
    if chosen is not None:
        gone = data.draw(st.sampled_from(fleet))
        after = choose_home(device, None, [each for each in fleet if each != gone])
        assert after == chosen or gone == chosen


@given(names, fleets, st.randoms())
def test_every_gateway_comes_to_the_same_answer(device: str, fleet: list[Candidate], random: st.DrawFn) -> None:
    """Whatever the order in which it knows them."""
    mixed = list(fleet)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert choose_home(device, None, mixed) == choose_home(device, None, fleet)


def test_devices_are_spread_evenly() -> None:
    """Of 3000 devices each of three gateways has between 900 and 1100: the hash is fixed, and so is this."""
    three = [Candidate(f"gateway-{number}", "") for number in (1, 2, 3)]
    found = Counter(home.name for number in range(3000) if (home := choose_home(f"pump-{number}", None, three)))
    assert len(found) == 3
    assert all(900 <= count <= 1100 for count in found.values())

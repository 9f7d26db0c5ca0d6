"""Random values are repeatable with a seed and differ without one."""

from uuid import UUID

from harness.core.identifiers import Randomness


def test_the_same_seed_gives_the_same_values() -> None:
    one, two = Randomness(7), Randomness(7)
    assert (one.uuid(), one.token(), one.bytes(3), one.jitter(1)) == (
        two.uuid(),
        two.token(),
        two.bytes(3),
        two.jitter(1),
    )


def test_without_a_seed_values_differ() -> None:
    assert Randomness().uuid() != Randomness().uuid()


def test_uuids_are_version_4() -> None:
    assert UUID(Randomness(1).uuid()).version == 4


def test_a_fork_does_not_depend_on_earlier_draws() -> None:
    one, two = Randomness(7), Randomness(7)
    one.bytes(100)
    assert one.fork("board-1").token() == two.fork("board-1").token()
    assert two.fork("board-1").token() != two.fork("board-2").token()
    assert Randomness().fork("x").token() != Randomness().fork("x").token()


def test_jitter_stays_within_its_share() -> None:
    source = Randomness(3)
    values = [source.jitter(10, 0.5) for _ in range(200)]
    assert min(values) >= 5
    assert max(values) <= 15
    assert len(set(values)) > 100

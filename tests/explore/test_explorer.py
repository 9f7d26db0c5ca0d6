"""An exploration without a simulation: its cases, its corpus, groups of failures, and how they are made small."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from harness.core.history import Event, Kind
from harness.core.identifiers import Randomness
from harness.explore.acts import Act
from harness.explore.case import Case, Failure, Outcome
from harness.explore.draw import Draw
from harness.explore.explorer import Explorer
from harness.explore.features import Features
from harness.explore.finding import test_file as text_of_test
from harness.explore.shrink import shrunk
from harness.faults import Entry, Schedule, TimeMoment, make_fault
from harness.faults.reading import parse_schedule


def entry(fault: str, at: float = 1.0, where: str = "", **parameters: object) -> Entry:
    return Entry(TimeMoment(at), make_fault(fault, parameters), where)


def invented(case: Case) -> Outcome:
    """The outcome of a case that was not run: features that follow from it."""
    digest = hashlib.sha256(case.schedule.to_toml().encode()).digest()
    struck = tuple(range(len(case.schedule.entries)))
    return Outcome(frozenset(f"feature {byte % 50}" for byte in digest[:8]), 1, struck)


def tried(seed: int, runs: int) -> list[str]:
    explorer = Explorer(seed, boards=3, tier="sim")
    found = []
    for _ in range(runs):
        case = explorer.next()
        explorer.learn(case, invented(case))
        found.append(f"{case.seed} {case.order} {case.schedule.to_toml()}")
    return found


def test_one_seed_tries_the_same_cases() -> None:
    assert tried(1, 100) == tried(1, 100)
    assert tried(1, 3) != tried(2, 3)


def test_what_is_drawn_and_varied_can_be_read_again() -> None:
    """Each is valid on its tier, and its file means the same."""
    draw = Draw(Randomness(5), boards=4, tier="sim", seconds=30.0)
    case, other = draw.new(), draw.new()
    for _ in range(60):
        case, other = draw.varied(case, other), case
        assert len(case.schedule.entries) <= 6
        assert parse_schedule(case.schedule.to_toml(), "").entries == case.schedule.entries
        assert Case.from_json(case.to_json()) == case


def test_each_kind_of_refusal_comes_as_often_as_another_fault() -> None:
    """One with 409 meets other code than one with 503."""
    draw = Draw(Randomness(6), boards=1, tier="sim", seconds=30.0)
    drawn = [
        kind
        for _ in range(80)
        for kind in {each.fault.name + str(each.fault.given().get("code", "")) for each in draw.new().schedule.entries}
    ]
    counts = {
        name: drawn.count(name) for name in ("cluster.refusals409", "cluster.refusals429", "link.cut", "link.delay")
    }
    assert max(counts.values()) - min(counts.values()) <= 2


def test_a_case_has_a_few_kinds_of_faults_and_steps_again_and_again() -> None:
    draw = Draw(Randomness(7), boards=2, tier="sim", seconds=30.0)
    cases = [draw.new() for _ in range(60)]
    assert all(case.acts[0].what == "deploy" for case in cases)
    assert all(len({act.module for act in case.acts}) <= 2 for case in cases)
    kinds = [len({entry.fault.name for entry in case.schedule.entries}) for case in cases]
    assert max(kinds) <= 4
    assert sum(kinds) < sum(len(case.schedule.entries) for case in cases)


def test_a_case_that_showed_nothing_new_is_not_kept() -> None:
    explorer = Explorer(0, boards=1, tier="sim")
    for features in ({"a", "b"}, {"a"}, {"b", "c"}):
        explorer.learn(explorer.next(), Outcome(frozenset(features), 1))
    assert [kept.new for kept in explorer.corpus] == [2, 1]


def test_failures_are_grouped_by_invariant_party_and_faults() -> None:
    """A failure with more faults than a known one takes is that one's."""
    explorer = Explorer(0, boards=1, tier="sim")
    crash, restart = entry("gateway.crash"), entry("gateway.restart")

    def learn(rule: str, party: str, *entries: Entry) -> bool:
        case = Case(0, Schedule(entries))
        failed = Outcome(frozenset(), 1, tuple(range(len(entries))), Failure(rule, party))
        return explorer.learn(case, failed) is not None

    assert learn("a rule", "gateway", crash)
    assert not learn("a rule", "gateway", crash, restart)
    assert learn("a rule", "board", crash)
    assert learn("a rule", "gateway", restart)
    assert [group.count for group in explorer.groups] == [2, 1, 1]
    assert (explorer.runs, explorer.failures) == (4, 4)


def test_a_cause_that_turns_out_to_be_known_is_counted_there() -> None:
    explorer = Explorer(0, boards=1, tier="sim")
    failed = Outcome(frozenset(), 1, (0, 1), Failure("a rule", "gateway"))
    crash, restart = entry("gateway.crash"), entry("gateway.restart")
    first = explorer.learn(Case(0, Schedule.of(crash, restart)), failed)
    assert first is not None
    assert explorer.shrunk(first, Case(0, Schedule.of(crash)))
    second = explorer.learn(Case(0, Schedule.of(restart, entry("board.reset", where="sim-1"))), failed)
    assert second is not None
    assert not explorer.shrunk(second, Case(0, Schedule.of(crash)))
    assert [group.count for group in explorer.groups] == [2]


def test_the_smallest_case_has_only_what_it_takes() -> None:
    """Faults, boards, seconds, order, seed, times and parameters that do not matter go."""
    needed = entry("board.power-cut", 12.34, "sim-7", lasts=33.33)
    others = [entry("gateway.restart", 3.0), entry("cluster.slow", 4.0), entry("link.cut", 5.0, "sim-2")]
    acts = (Act("deploy", module="idle"), Act("stop", at=3.3, after=1, which=2), Act("delete", at=0.5))
    case = Case(77, Schedule((*others[:2], needed, others[2])), boards=10, order="pct", acts=acts)

    def fails(case: Case) -> bool:
        if "stop" not in [act.what for act in case.acts]:
            return False
        cuts = [each for each in case.schedule.entries if each.fault.name == "board.power-cut"]
        return any(each.fault.given().get("lasts", 5.0) > 20 for each in cuts)

    found = shrunk(case, fails)
    assert (found.seed, found.boards, found.seconds, found.order) == (0, 1, 5.0, "fifo")
    assert found.schedule == Schedule.of(entry("board.power-cut", 0.0, "sim-1", lasts=33.0))
    assert found.acts == (Act("stop"),)


def test_a_case_that_cannot_be_smaller_stays() -> None:
    case = Case(3, Schedule.of(entry("gateway.crash", 2.5)), boards=2)
    assert shrunk(case, lambda other: False) == case


def test_features_are_pairs_of_what_follows() -> None:
    """Names and times do not matter; codes of errors do."""

    def features(device: str, code: int) -> set[str]:
        found = Features()
        status = {"status": {"phase": "Connected"}}
        for number, (kind, source, target, name, data) in enumerate(
            [
                (Kind.NOTE, "Harness", "", "fault", {"fault": "gateway.crash (lasts=2.0)"}),
                (Kind.MESSAGE, "Device", "Gateway", "Heartbeat", {}),
                (Kind.STATE, "Kubernetes", "", "Device", status),
                (Kind.MESSAGE, "Gateway", "Kubernetes", "PATCH Device", {"code": code}),
            ]
        ):
            found.see(Event(float(number), number, kind, source, target, name, data, device))
        return found.found

    assert features("pump-1", 200) == features("pump-2", 201)
    assert features("pump-1", 200) >= {
        "Device Heartbeat > Device start-Connected",
        "gateway.crash + Device start-Connected",
    }
    assert features("pump-1", 409) - features("pump-1", 200) == {
        "Device start-Connected > Gateway PATCH Device 409",
        "gateway.crash + Gateway PATCH Device 409",
    }


@pytest.mark.parametrize("words", ['a """ and a \\ in it', "two\nlines"])
def test_the_test_of_a_finding_is_valid_python(words: str) -> None:
    case = Case(3, Schedule.of(entry("gateway.crash", 2.5)), boards=2, acts=(Act("deploy", module="idle"),))
    compile(text_of_test(case, Failure('a "rule"', "gateway", words)), "test", "exec")
    compile(
        text_of_test(replace(case, schedule=Schedule.of(entry("link.cut", where="sim-1"))), Failure("r", "p")),
        "t",
        "exec",
    )

"""The oracle accepts exactly what the diagram allows: compared with a list of all its words, for any diagram.

The list is made by definition, in another way than the oracle's: slow, and meant to be obviously right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.sequences import load_text, render
from harness.sequences.behaviour import Behaviour, Block, BoundArrow, Limit, expand
from harness.sequences.flows import Sequence
from harness.sequences.matcher import Letter
from harness.sequences.tree import Arrow, Diagram, Fragment, Item, Note, Section
from tests.examples import examples

# the reference

Flow = tuple[object, ...]
"""Where an arrow stands: for each ``par`` around it, which one (and in which turn of which loop), and which section."""


@dataclass(frozen=True)
class Step:
    """One arrow of a word, the flows it is in, and the seconds it may come after the last move of the innermost."""

    name: str
    flows: tuple[Flow, ...]
    limits: tuple[float, ...] = ()


Chunk = tuple[Step, ...]
"""Steps that nothing comes between."""

Ending = bool
"""Whether a word was ended by a ``break``."""

Word = tuple[Chunk, ...]


def words(items: Items[Behaviour], longest: int) -> set[tuple[Step, ...]]:
    """Every word of at most ``longest`` letters."""
    return {
        letters
        for word, _ in _items(items, longest, (), ())
        if len(letters := tuple(letter for chunk in word for letter in chunk)) <= longest
    }


def in_time(word: Items[Step], times: Items[float]) -> bool:
    """Whether a word's letters, at these times, keep their limits."""
    clocks: dict[Flow, float] = {(): -math.inf}
    entered: dict[object, float] = {}
    for letter, at in zip(word, times, strict=True):
        for flow in letter.flows:
            if flow not in clocks:
                outer = flow[:-1]
                clocks[flow] = entered.setdefault(flow[-1][0], clocks[outer])  # type: ignore[index]
        innermost = letter.flows[-1] if letter.flows else ()
        since = clocks[innermost]
        if since > -math.inf and any(at - since > limit + 1e-6 for limit in letter.limits):
            return False
        for flow in ((), *letter.flows):
            clocks[flow] = at
    return True


def _items(
    items: Items[Behaviour], longest: int, flows: tuple[Flow, ...], path: tuple[object, ...]
) -> set[tuple[Word, Ending]]:
    if not items:
        return {((), False)}
    first, rest = items[0], items[1:]
    own = (*path, len(items))
    if isinstance(first, Limit):
        return {(_limited(word, first.seconds), ending) for word, ending in _items(rest, longest, flows, own)}
    if isinstance(first, Block) and first.kind == "break":
        taken = {(word, True) for word, _ in _items(first.sections[0], longest, flows, (*own, 0))}
        return taken | _items(rest, longest, flows, own)
    found = set()
    for word, broken in _one(first, longest, flows, own):
        if broken:
            found.add((word, True))
            continue
        left = longest - _length(word)
        for more, ending in _items(rest, left, flows, own):
            found.add((word + more, ending))
    return found


def _limited(word: Word, seconds: float) -> Word:
    if not word:
        return word
    (first, *letters), *chunks = word
    return ((Step(first.name, first.flows, (*first.limits, seconds)), *letters), *chunks)


def _length(word: Word) -> int:
    return sum(map(len, word))


def _one(item: Behaviour, longest: int, flows: tuple[Flow, ...], path: tuple[object, ...]) -> set[tuple[Word, Ending]]:
    if isinstance(item, BoundArrow):
        return {(((Step(str(item), flows),),), False)} if longest >= 1 else set()
    assert isinstance(item, Block)
    inside = [(*path, index) for index in range(len(item.sections))]
    match item.kind:
        case "alt" | "opt":
            options = {
                way
                for section, own in zip(item.sections, inside, strict=True)
                for way in _items(section, longest, flows, own)
            }
            return options | ({((), False)} if len(item.sections) == 1 else set())
        case "rect":
            return _items(item.sections[0], longest, flows, path)
        case "ref":
            return {(word, False) for word, _ in _items(item.sections[0], longest, flows, path)}
        case "loop":
            return set(_turns(item, longest, flows, path))
        case "critical":
            return set(_critical(item, longest, flows, path))
        case "par" | "par_over":
            here = flows[-1] if flows else ()
            ways: list[set[Word]] = [
                {word for word, _ in _items(section, longest, (*flows, (*here, (path, own))), own)}
                for section, own in zip(item.sections, inside, strict=True)
            ]
            return {(word, False) for word in _shuffles(ways, longest)}
    raise AssertionError(item.kind)


def _turns(
    loop: Block, longest: int, flows: tuple[Flow, ...], path: tuple[object, ...]
) -> Iterator[tuple[Word, Ending]]:
    most = longest + loop.least + 1 if loop.most is None else loop.most
    words: set[Word] = {()}
    for turn in range(most + 1):
        if turn >= loop.least:
            yield from ((word, False) for word in words)
        if turn == most:
            return
        further = set()
        for word in words:
            for more, broken in _items(loop.sections[0], longest - _length(word), flows, (*path, turn)):
                if broken:
                    yield word + more, False
                else:
                    further.add(word + more)
        words = further


def _critical(
    item: Block, longest: int, flows: tuple[Flow, ...], path: tuple[object, ...]
) -> Iterator[tuple[Word, Ending]]:
    for word, broken in _items(item.sections[0], longest, flows, (*path, 0)):
        ways: set[tuple[Word, Ending]] = {((), broken)}
        if not broken:
            for index, option in enumerate(item.sections[1:], 1):
                ways |= _items(option, longest - _length(word), flows, (*path, index))
        for more, ending in ways:
            letters = tuple(letter for chunk in word + more for letter in chunk)
            yield ((letters,) if letters else ()), ending


def _shuffles(sections: list[set[Word]], longest: int) -> set[Word]:
    found: set[Word] = {()}
    for ways in sections:
        found = {
            mixed
            for one in found
            for other in ways
            if _length(one) + _length(other) <= longest
            for mixed in _shuffle(one, other)
        }
    return found


def _shuffle(one: Word, other: Word) -> Iterator[Word]:
    if not one or not other:
        yield one + other
        return
    for rest in _shuffle(one[1:], other):
        yield (one[0], *rest)
    for rest in _shuffle(one, other[1:]):
        yield (other[0], *rest)


# the oracle against it

LONGEST = 5
ARROWS = [
    Arrow("Device", "->>", "Gateway", "Heartbeat"),
    Arrow("Gateway", "-->>", "Device", "HeartbeatAcknowledgment"),
    Arrow("Device", "->>", "Gateway", "DeviceInfo"),
]


def _arrows() -> st.SearchStrategy[Item]:
    return st.sampled_from(ARROWS)


def _sections(items: st.SearchStrategy[Item], limit: bool) -> st.SearchStrategy[Section]:
    if limit:
        items = items | st.sampled_from(
            [Note("over", ("Device",), "within 2s"), Note("over", ("Device",), "within 5s")]
        )
    return st.lists(items, max_size=3).map(lambda found: Section("", tuple(found)))


def _fragments(items: st.SearchStrategy[Item], limit: bool) -> st.SearchStrategy[Item]:
    section = _sections(items, limit)
    loops = st.builds(
        lambda bounds, body: Fragment("loop", (Section(bounds, body.items),)),
        st.sampled_from(["", "(1..*)", "(2)", "(0..1)", "(1..2)", "(0..3)", "(2..3)"]),
        section,
    )
    single = st.builds(Fragment, st.sampled_from(["opt", "alt", "break", "rect", "critical"]), st.tuples(section))
    several = st.builds(
        Fragment,
        st.sampled_from(["alt", "par", "par", "critical"]),
        st.lists(section, min_size=2, max_size=3).map(tuple),
    )
    return st.one_of(loops, single, several)


def _diagrams(limit: bool = False) -> st.SearchStrategy[Diagram]:
    tree = st.recursive(_arrows(), lambda items: _fragments(items, limit), max_leaves=7)
    return st.tuples(_arrows(), _sections(tree, limit)).map(lambda parts: Diagram((parts[0], *parts[1].items)))


def _load(diagram: Diagram) -> tuple[Sequence, list[str]]:
    try:
        sequence = load_text(render(diagram), "random")
    except UsageError as error:
        assume("time limit" not in error.what)
        raise
    return sequence, sorted({str(arrow) for arrow in sequence.arrows})


def _accepts(sequence: Sequence, word: tuple[str, ...], times: tuple[float, ...]) -> bool:
    symbols = {str(arrow): sequence.symbols[arrow.event.key][0][0] for arrow in sequence.arrows}
    possible = sequence.matcher.start
    for name, at in zip(word, times, strict=True):
        possible = sequence.matcher.step(possible, Letter(1 << symbols[name], at))
    return sequence.matcher.accepting(possible) is not None


@given(_diagrams())
@settings(max_examples=examples(250))
def test_every_word_is_accepted_and_nothing_else(diagram: Diagram) -> None:
    sequence, alphabet = _load(diagram)
    behaviour = expand(sequence.diagram, "random", "random", _no_reference).behaviour
    allowed = {tuple(letter.name for letter in word) for word in words(behaviour, LONGEST)}
    for length in range(LONGEST + 1):
        for word in product(alphabet, repeat=length):
            times = tuple(float(index) for index in range(length))
            assert _accepts(sequence, word, times) == (word in allowed), (word, render(diagram))


@given(_diagrams(limit=True), st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 6.0]), min_size=4, max_size=4))
@settings(max_examples=examples(250))
def test_time_limits_hold_in_each_flow(diagram: Diagram, gaps: list[float]) -> None:
    sequence, alphabet = _load(diagram)
    times = tuple(sum(gaps[: index + 1]) for index in range(len(gaps)))
    behaviour = expand(sequence.diagram, "random", "random", _no_reference).behaviour
    readings: dict[tuple[str, ...], list[tuple[Step, ...]]] = {}
    for reading in words(behaviour, len(gaps)):
        readings.setdefault(tuple(letter.name for letter in reading), []).append(reading)
    for length in range(len(gaps) + 1):
        for word in product(alphabet, repeat=length):
            expected = any(in_time(reading, times[:length]) for reading in readings.get(word, []))
            assert _accepts(sequence, word, times[:length]) == expected, (word, times, render(diagram))


def _no_reference(name: str, where: str) -> tuple[Diagram, str, str]:
    raise AssertionError(name)


def _language(body: str, longest: int = 4) -> set[str]:
    """The words of a diagram over a, b, c, d, written as texts."""
    arrows = {
        "a": "Device->>Gateway: Heartbeat",
        "b": "Gateway->>Device: HeartbeatAcknowledgment",
        "c": "Device->>Gateway: DeviceInfo",
        "d": "Gateway->>Device: DeviceInfoRequest",
    }
    lines = [arrows.get(line.strip(), line) for line in body.split("/")]
    sequence = load_text("\n".join(["sequenceDiagram", *lines]), "small")
    names = {text: letter for letter, text in arrows.items()}
    used = sorted({names[str(arrow)] for arrow in sequence.arrows})
    return {
        "".join(word)
        for length in range(longest + 1)
        for word in product(used, repeat=length)
        if _accepts(sequence, tuple(arrows[letter] for letter in word), (0.0,) * length)
    }


_MIXED = {"abcd", "abdc", "cabd", "dabc", "cdab", "dcab"}


@pytest.mark.parametrize(
    ("body", "language"),
    [
        ("a/b", {"ab"}),
        ("a/opt/b/end", {"a", "ab"}),
        ("a/alt/b/end", {"a", "ab"}),
        ("alt/a/else/b/end", {"a", "b"}),
        ("a/alt/b/else/end", {"a", "ab"}),
        ("loop (2)/a/end", {"aa"}),
        ("loop (1..*)/a/end", {"a", "aa", "aaa", "aaaa"}),
        ("loop (0..2)/a/end", {"", "a", "aa"}),
        ("loop every 30 s/a/end", {"", "a", "aa", "aaa", "aaaa"}),
        ("loop (2..2)/opt/a/end/end", {"", "a", "aa"}),
        ("par/a/b/and/c/end", {"abc", "acb", "cab"}),
        ("par/critical/a/b/end/and/c/end", {"abc", "cab"}),
        ("par/critical/a/option/b/end/and/c/end", {"ac", "ca", "abc", "cab"}),
        ("par/par/critical/a/b/end/and/c/end/and/d/end", {"abcd", "abdc", "cabd", "dabc", "cdab", "dcab"}),
        ("par/par/critical/a/option/b/end/and/c/end/and/d/end", {"acd", "adc", "cad", "dac", "cda", "dca"} | _MIXED),
        ("par/critical/par/a/and/b/end/end/and/c/end", {"abc", "bac", "cab", "cba"}),
        ("critical/a/option/b/option/c/end", {"a", "ab", "ac"}),
        ("a/break/b/end/c", {"ab", "ac"}),
        ("loop (2)/a/break/b/end/end/c", {"aac", "abc", "aabc"}),
        ("a/opt/b/break/c/end/end/d", {"abc", "abd", "ad"}),
        ("par/a/break/b/end/c/and/d/end", {"abd", "adb", "dab", "acd", "adc", "dac"}),
        ("rect rgb(0,0,0)/a/end/b", {"ab"}),
    ],
)
def test_what_each_fragment_means(body: str, language: set[str]) -> None:
    assert _language(body) == language


_LIMITED_BEAT = "Device->>Gateway: Heartbeat\nNote over Gateway: within 5s\nDevice->>Gateway: Heartbeat"


def test_identical_sections_do_not_multiply() -> None:
    """Thirty alike sections in parallel are as easy as one."""
    body = "\nand\n".join(["Device->>Gateway: Heartbeat\nGateway->>Device: HeartbeatAcknowledgment"] * 30)
    sequence = load_text(f"sequenceDiagram\npar\n{body}\nend", "wide")
    word = ("Device->>Gateway: Heartbeat",) * 30 + ("Gateway->>Device: HeartbeatAcknowledgment",) * 30
    assert _accepts(sequence, word, (0.0,) * 60)
    assert not _accepts(sequence, word[:-1], (0.0,) * 59)


_LIMITED = """loop
Device->>Gateway: Heartbeat
Note over Gateway: within 2s
Gateway->>Device: HeartbeatAcknowledgment
end"""


_AFTER = "Gateway->>Device: HeartbeatAcknowledgment"


def _loop(bounds: str, *lines: str) -> str:
    return "\n".join([f"loop ({bounds})", *(lines or ("Device->>Gateway: Heartbeat",)), "end"])


def _readings(body: str) -> Iterator[int]:
    """How many readings are kept after each of 2,000 heartbeats."""
    sequence = load_text(f"sequenceDiagram\n{body}", "counted")
    possible = sequence.matcher.start
    for index in range(2_000):
        possible = sequence.matcher.step(possible, Letter(1, float(index)))
        yield len(possible)


@pytest.mark.parametrize(
    ("body", "most"),
    [
        (f"{_loop('0..90000')}\n{_loop('0..90000')}", 2),
        (f"{_loop('3..90000')}\n{_loop('5..90000')}", 6),
        (_loop("0..90000", _loop("0..90000"), "opt", _AFTER, "end"), 2),
        (_loop("0..90000", _loop("1..3"), "opt", _AFTER, "end"), 4),
        (f"{_loop('0..90000', _LIMITED_BEAT)}\n{_loop('0..90000')}", 2),
    ],
    ids=["one after the other", "with least", "nested", "nested and short", "with a limit"],
)
def test_readings_that_differ_in_bounds_only_are_one(body: str, most: int) -> None:
    """Whatever a loop's bounds, the readings kept at a time do not grow with the events."""
    assert min(kept := list(_readings(f"{body}\n{_AFTER}"))) > 0
    assert max(kept) <= most


@pytest.mark.parametrize(
    "sections",
    [[_loop(f"{turns}") for turns in range(1, 13)], [_LIMITED] * 12, [_loop("0..90000"), _loop("0..90000")]],
    ids=["other loops", "clocks", "huge loops"],
)
def test_a_diagram_with_too_many_readings_is_refused(sections: list[str]) -> None:
    """Sections that look alike but are not: clear words after bounded work, instead of an endless search."""
    kept: list[int] = []
    with pytest.raises(UsageError, match="too ambiguous"):
        kept.extend(_readings("par\n{}\nend".format("\nand\n".join(sections))))
    assert sum(kept) < 20_000

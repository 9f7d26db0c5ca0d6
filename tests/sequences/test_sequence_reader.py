"""The reader takes all of the language and says where a text is not of it; what is written reads back the same."""

from __future__ import annotations

import string
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.sequences import DiagramError, parse, render
from harness.sequences.reader import _KEYWORDS
from harness.sequences.scanner import is_sequence_diagram
from harness.sequences.tree import (
    Activation,
    Arrow,
    Autonumber,
    Box,
    Caption,
    Destroy,
    Diagram,
    Fragment,
    Item,
    Menu,
    Note,
    Participant,
    Section,
    Visit,
    plain,
    walk,
)
from tests.examples import examples

FORMS = [
    *("->", "-->", "->>", "-->>", "<<->>", "<<-->>", "-x", "--x", "-)", "--)"),
    *("-|\\", "--|\\", "-|/", "--|/", "/|-", "/|--", "\\|-", "\\|--"),
    *("-\\\\", "--\\\\", "-//", "--//", "//-", "//--", "\\\\-", "\\\\--"),
]

EVERYTHING = """\
---
title: Everything
config:
  theme: dark
---
%%{init: {"sequence": {"wrap": true}}}%%
%% a comment before
sequenceDiagram
    autonumber 10 0.5
    accTitle: for those who listen
    accDescr {
        two lines
        of it
    }
    box Aqua Edge side
        actor D as IoT<br/>device
        participant G@{ "type": "control", "alias": "Gateway" }
    end
    participant K@{ "type": "database" } as Kubernetes
    title Everything there is
    links D: {"Docs": "https://example.org"}
    link G: Dashboard @ https://example.org/g
    properties K: {"class": "internal"}
    details K: the API
    D->>+G: hello #quot;you#quot;; G-->>-D: hi # a comment after
    Note over D,G: both<br/>of them
    note left of D: alone
    Note right of G: wrap: long text
    activate G; deactivate G
    loop Every minute
        D-)G: beat
        alt is sick
            G--xD: no
        else is well
            par one
                G-->>K: a
            and two
                G->>K: b
            end
        else
            critical the store
                K->K: write
            option it is full
                K-->G: sorry
            end
        end
    end
    par_over first
        D()->>G: out
    and
        G->>()K: in
    end
    break when all fails
        K->>D: bye
    end
    rect rgb(191, 223, 255)
        opt
            D<<->>G: both ways
        end
    end
    create participant P as Pod
    K->>P: run
    destroy P
    P-xK: done
    autonumber off
"""


def test_everything_of_the_language_is_read() -> None:
    diagram = parse(EVERYTHING)
    assert diagram.title == "Everything there is"
    assert diagram.front_matter == {"title": "Everything", "config": {"theme": "dark"}}
    assert diagram.directives == ('init: {"sequence": {"wrap": true}}',)
    assert [(item.name, item.title) for item in diagram.participants] == [
        ("D", "IoT<br/>device"),
        ("G", "Gateway"),
        ("K", "Kubernetes"),
        ("P", "Pod"),
    ]
    assert [(depth, fragment.kind) for depth, fragment in diagram.fragments] == [
        (0, "loop"),
        (1, "alt"),
        (2, "par"),
        (2, "critical"),
        (0, "par_over"),
        (0, "break"),
        (0, "rect"),
        (1, "opt"),
    ]
    alt = diagram.fragments[1][1]
    assert [section.label for section in alt.sections] == ["is sick", "is well", ""]
    first, second = diagram.arrows[:2]
    assert first == Arrow("D", "->>", "G", "hello #quot;you#quot;", "+")
    assert second == Arrow("G", "-->>", "D", "hi", "-")
    assert (first.line, second.line) == (25, 25)
    kinds = {type(item) for _, item, _ in walk(diagram.items)}
    assert kinds == {
        *(Activation, Arrow, Autonumber, Box, Caption, Destroy, Fragment, Menu, Note, Participant),
    }


def test_the_front_matters_title_serves_where_there_is_no_other() -> None:
    assert parse("---\ntitle: 7\n---\nsequenceDiagram\nA->>B: x").title == "7"
    assert parse("sequenceDiagram\nA->>B: x").title is None


@pytest.mark.parametrize("form", FORMS)
def test_every_arrow_is_read(form: str) -> None:
    assert parse(f"sequenceDiagram\nA{form}B: x").arrows == [Arrow("A", form, "B", "x")]
    assert parse(f"sequenceDiagram\n  A {form} B : x").arrows == [Arrow("A", form, "B", "x")]


@pytest.mark.parametrize(
    ("text", "arrow"),
    [
        ("A->>+B: x", Arrow("A", "->>", "B", "x", "+")),
        ("A()->>()B: x", Arrow("A", "->>", "B", "x", "", True, True)),
        ("A->>B:", Arrow("A", "->>", "B", "")),
        ("A->>B: a: b, c", Arrow("A", "->>", "B", "a: b, c")),
        ("my board->>the-gateway: x", Arrow("my board", "->>", "the-gateway", "x")),
        ("à1.2=3->>é: ü", Arrow("à1.2=3", "->>", "é", "ü")),
        ("A->>B: 100 %% sure", Arrow("A", "->>", "B", "100 %% sure")),
        ("A->>B: x # remark", Arrow("A", "->>", "B", "x")),
        ("loopy->>B: x", Arrow("loopy", "->>", "B", "x")),
        ("title->>B: x", Arrow("title", "->>", "B", "x")),
        ("accDescr->>B: x", Arrow("accDescr", "->>", "B", "x")),
        ("A->>B(1): x", Arrow("A", "->>", "B(1)", "x")),
    ],
)
def test_messages_in_all_their_spellings(text: str, arrow: Arrow) -> None:
    assert parse(f"sequenceDiagram\n{text}").arrows == [arrow]


def test_words_of_the_language_may_be_in_any_case_and_statements_on_one_line() -> None:
    diagram = parse("sequenceDiagram; LOOP x; a->>b: y; END; Note Over a: z; ;\n\n")
    assert diagram.items == (
        Fragment("loop", (Section("x", (Arrow("a", "->>", "b", "y"),)),)),
        Note("over", ("a",), "z"),
    )


def test_comments_where_a_statement_could_begin() -> None:
    diagram = parse("sequenceDiagram %% a\nloop x\na->>b: y; %% b\nend %% c\nb->>a: z")
    assert [arrow.text for arrow in diagram.arrows] == ["y", "z"]


@pytest.mark.parametrize(
    ("text", "participants"),
    [
        ("participant A\nactor A as Bee", [("A", "Bee")]),
        ("participant A as Bee\nparticipant A", [("A", "Bee")]),
        ("participant A as", [("A", "A")]),
        ("participant A as B as C", [("A", "B as C")]),
        ("participant A B as C", [("A B as C", "A B as C")]),
        ("create actor B as Bee\nA->>B: x", [("B", "Bee"), ("A", "A")]),
        ("actor A@{ type: queue, alias: Bee } as Sea", [("A", "Sea")]),
        ("participant A--B\nparticipant (C)", [("A--B", "A--B"), ("(C)", "(C)")]),
    ],
)
def test_participants_in_all_their_spellings(text: str, participants: list[tuple[str, str]]) -> None:
    diagram = parse(f"sequenceDiagram\n{text}")
    assert [(item.name, item.title) for item in diagram.participants] == participants
    assert parse(render(diagram)) == diagram


def test_a_create_and_a_destroy_may_wait_for_their_messages_together() -> None:
    diagram = parse("sequenceDiagram\ndestroy A\ncreate participant C\nB->>C: x\nA-xB: y")
    assert len(diagram.arrows) == 2


def test_windows_line_ends_and_a_byte_order_mark() -> None:
    assert parse("\ufeffsequenceDiagram\r\nA->>B: x\r\n").arrows == [Arrow("A", "->>", "B", "x")]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a<br/>b<BR>c<br />d", ["a", "b", "c", "d"]),
        ("I #9829; you #quot;x#quot; #59;", ['I \u2665 you "x" ;']),
        ("wrap: long", ["long"]),
        ("", [""]),
    ],
)
def test_what_a_reader_sees_of_a_text(text: str, lines: list[str]) -> None:
    assert plain(text) == lines


ERRORS = [
    ("", 1, 1, "expected 'sequenceDiagram', found the end of the text"),
    ("graph TD\nA-->B", 1, 1, "expected 'sequenceDiagram', found 'graph TD'"),
    ("---\ntitle: [x\n---\nsequenceDiagram", 3, 1, "invalid YAML in the front matter"),
    ("---\nnothing\n---\nsequenceDiagram", 1, 1, "expected 'key: value' lines"),
    ("sequenceDiagram\nA->>B", 2, 6, "expected ':' and the message's text, found the end of the text"),
    ("sequenceDiagram\n  A->>: x", 2, 7, "expected the receiver, found ': x'"),
    ("sequenceDiagram\n->>B: x", 2, 1, "expected the sender"),
    ("sequenceDiagram\nA B: x", 2, 1, "expected a statement"),
    ("sequenceDiagram\nA->>B->>C: x", 2, 6, "expected the receiver, found '->>C: x'"),
    ("sequenceDiagram\nA,B->>C: x", 2, 2, "',' cannot be in its name"),
    ("sequenceDiagram\nA->>end: x", 2, 5, "'end' is a keyword"),
    ("sequenceDiagram\nloop x\nA->>B: y", 2, 1, "'loop' is never closed"),
    ("sequenceDiagram\nA->>B: x\n  end", 3, 3, "'end' closes nothing"),
    ("sequenceDiagram\nopt x\nend y", 3, 5, "expected a statement"),
    ("sequenceDiagram\nelse x", 2, 1, "'else' belongs to 'alt', but is outside of any fragment"),
    ("sequenceDiagram\nalt a\nand b\nend", 3, 1, "'and' belongs to 'par', but is inside 'alt' from line 2"),
    ("sequenceDiagram\npar a\noption b\nend", 3, 1, "'option' belongs to 'critical'"),
    ("sequenceDiagram\nbox X\nA->>B: x\nend", 3, 1, "inside a box"),
    ("sequenceDiagram\nparticipant", 2, 12, "expected a name after 'participant'"),
    ("sequenceDiagram\nparticipant A@{ type", 2, 21, "expected '}' to close"),
    ("sequenceDiagram\nparticipant A@{ : }", 2, 16, "expected settings such as"),
    ("sequenceDiagram\nparticipant A@{ type: queue } Bee", 2, 30, "expected 'as' and a label"),
    ("sequenceDiagram\nparticipant A@{ type: queue } x as Bee", 2, 30, "expected 'as' and a label"),
    ("sequenceDiagram\nparticipant my A@{ type: queue }", 2, 15, "'@{' right after a name of letters and digits"),
    ("sequenceDiagram\nparticipant A@B", 2, 14, "'@' cannot be in its name"),
    ("sequenceDiagram\nA->>B: x\ncreate participant B\nA->>B: y", 3, 1, "B exists already"),
    ("sequenceDiagram\nbox x\nactor A\nend\nbox y\nactor A\nend", 6, 1, "A is in the box of line 2 already"),
    ("sequenceDiagram\n(A)->>B: x", 2, 1, "'(' cannot be in its name"),
    ("sequenceDiagram\nA--B->>C: x", 2, 2, "'--' cannot be in its name"),
    ("sequenceDiagram\nA--->>B: x", 2, 2, "'-' cannot be in its name"),
    ("sequenceDiagram\noff->>B: x", 2, 1, "the sender, but 'off' is a keyword"),
    ("sequenceDiagram\nNote over  end: x", 2, 12, "a participant, but 'end' is a keyword"),
    ("sequenceDiagram\nA()->>+B: x", 2, 7, "'+' does not go with '()' at the sender"),
    ("sequenceDiagram\ncreate A", 2, 8, "expected 'participant' or 'actor' after 'create'"),
    ("sequenceDiagram\ncreate participant A\nB->>C: x", 2, 1, "must be followed by a message to A"),
    ("sequenceDiagram\ncreate participant A", 2, 1, "has no message after it"),
    ("sequenceDiagram\ndestroy A\nB->>C: x", 2, 1, "must be followed by a message from or to A"),
    ("sequenceDiagram\nactivate", 2, 9, "expected a participant"),
    ("sequenceDiagram\nA->>-B: x", 2, 1, "A is not active here"),
    ("sequenceDiagram\ndeactivate A", 2, 1, "A is not active here"),
    ("sequenceDiagram\nNote above A: x", 2, 6, "expected 'over', 'left of' or 'right of'"),
    ("sequenceDiagram\nNote over A", 2, 12, "expected ':' and the note's text"),
    ("sequenceDiagram\nNote over A,B,C: x", 2, 10, "expected at most 2 participants"),
    ("sequenceDiagram\nNote left of A,B: x", 2, 13, "expected at most 1 participant and"),
    ("sequenceDiagram\nautonumber 1 2 3", 2, 12, "expected 'off', or a start and a step"),
    ("sequenceDiagram\nlink A", 2, 7, "expected ':' and a text"),
    ("sequenceDiagram\ntitle", 2, 6, "expected a text after 'title'"),
    ("sequenceDiagram\naccDescr {\nx", 3, 2, "expected '}' to close the description"),
]


@pytest.mark.parametrize(("text", "line", "column", "words"), ERRORS, ids=[words[:40] for *_, words in ERRORS])
def test_an_error_names_line_column_and_what_was_expected(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(DiagramError) as error:
        parse(text, file="flow.mmd")
    assert (error.value.line, error.value.column) == (line, column)
    assert words in error.value.what
    assert str(error.value).startswith(f"flow.mmd:{line}:{column}: ")


def test_lines_count_from_where_the_text_begins() -> None:
    with pytest.raises(DiagramError) as error:
        parse("sequenceDiagram\nA->>B", file="README.md", line=40)
    assert error.value.where == "README.md:41:6"


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("sequenceDiagram\nA->>", True),
        ("%% c\n---\nsequenceDiagram", False),
        ("---\ntitle: x\n---\n%%{init: {}}%%\n%% c\n sequenceDiagram", True),
        ("graph TD\n sequenceDiagram", False),
        ("sequenceDiagrams", False),
    ],
)
def test_whether_a_text_claims_to_be_one(text: str, claims: bool) -> None:
    assert is_sequence_diagram(text) is claims


def test_nesting_has_no_end() -> None:
    depth = 600
    text = "sequenceDiagram\n" + "loop x\nalt y\n" * depth + "A->>B: z\n" + "end\nend\n" * depth
    diagram = parse(text)
    assert max(level for level, _ in diagram.fragments) == 2 * depth - 1
    assert render(parse(render(diagram))) == render(diagram)


def test_ten_thousand_lines() -> None:
    text = "sequenceDiagram\n" + "".join(f"Device->>Gateway: message {n}\n" for n in range(10_000))
    diagram = parse(text)
    assert len(diagram.arrows) == 10_000
    assert diagram.arrows[-1].line == 10_001
    assert parse(render(diagram)) == diagram


def test_a_walk_tells_where_it_is() -> None:
    a, b = Arrow("A", "->>", "B", "a"), Arrow("A", "->>", "B", "b")
    alt = Fragment("alt", (Section("x", (a,)), Section("y", ()), Section("z", (b,))))
    assert list(walk((alt, a))) == [
        (Visit.ENTER, alt, 0),
        (Visit.ITEM, a, 0),
        (Visit.SECTION, alt, 1),
        (Visit.SECTION, alt, 2),
        (Visit.ITEM, b, 0),
        (Visit.LEAVE, alt, 2),
        (Visit.ITEM, a, 0),
    ]


# render(parse(x)) parses to the same tree, whatever the tree

_words = st.text(string.ascii_letters + string.digits + "àß ._=!?()[]'\"/,", min_size=1, max_size=12)
_texts = st.one_of(
    st.just(""),
    _words.map(str.strip),
    st.sampled_from(["a<br/>b", "#quot;x#quot;", "#59; and #35;", "a: b", "wrap: c", "x %% y", "-->> arrow"]),
)
_single = st.from_regex(r"[A-Z][a-z0-9_]{0,6}", fullmatch=True).filter(
    lambda name: name.lower() not in {*_KEYWORDS, "title", "as"}
)
_names = _single | st.builds("{} {}".format, _single, _single)
_labels = st.one_of(st.none(), _words.map(str.strip).filter(bool))


def _participants(created: bool = False) -> st.SearchStrategy[Participant]:
    config = st.dictionaries(st.sampled_from(["type", "alias"]), st.sampled_from(["queue", "A B", "ü"]), max_size=2)
    common = {"actor": st.booleans(), "created": st.just(created)}
    return st.builds(Participant, name=_names, **common) | st.builds(
        Participant, name=_single, label=_labels, settings=config, **common
    )


_arrows = st.builds(
    Arrow,
    source=_names,
    form=st.sampled_from(FORMS),
    target=_names,
    text=_texts,
    activation=st.just("+"),
) | st.builds(
    Arrow,
    source=_names,
    form=st.sampled_from(FORMS),
    target=_names,
    text=_texts,
    source_centre=st.booleans(),
    target_centre=st.booleans(),
)
_answered = st.tuples(_names, _names, st.sampled_from(FORMS), _texts).map(
    lambda call: [
        Arrow(call[0], call[2], call[1], call[3], "+"),
        Arrow(call[1], call[2], call[0], call[3], "-"),
    ]
)
_leaves: st.SearchStrategy[Any] = st.one_of(
    _arrows,
    _participants(),
    st.builds(Box, label=_words.map(str.strip), participants=st.lists(_participants(), max_size=2).map(tuple)),
    st.builds(Note, st.sampled_from(["left of", "right of"]), st.tuples(_names), _texts),
    st.builds(Note, st.just("over"), st.tuples(_names, _names), _texts),
    st.builds(Activation, _names, st.just(True)),
    st.builds(Autonumber, st.sampled_from(["1", "10", "0.5"]), st.sampled_from([None, "2", ".25"])),
    st.just(Autonumber(visible=False)),
    st.builds(Menu, st.sampled_from(["links", "link", "properties", "details"]), _names, _texts),
    st.builds(Caption, st.sampled_from(["title", "accTitle", "accDescr"]), _words.map(str.strip).filter(bool)),
)


def _fragments(items: st.SearchStrategy[Item]) -> st.SearchStrategy[Item]:
    sections = st.builds(Section, _words.map(str.strip), st.lists(items, max_size=3).map(tuple))
    single = st.builds(Fragment, st.sampled_from(["loop", "opt", "break", "rect"]), st.tuples(sections))
    several = st.builds(
        Fragment,
        st.sampled_from(["alt", "par", "par_over", "critical"]),
        st.lists(sections, min_size=1, max_size=3).map(tuple),
    )
    return single | several


_created = st.tuples(_participants(created=True), _texts).map(
    lambda made: [made[0], Arrow("Maker", "->>", made[0].name, made[1])]
)
_destroyed = st.tuples(_names, _texts).map(lambda gone: [Destroy(gone[0]), Arrow(gone[0], "-x", "Maker", gone[1])])
_items = st.lists(
    st.recursive(_leaves, _fragments, max_leaves=12).map(lambda item: [item]) | _created | _destroyed | _answered,
    max_size=6,
).map(lambda groups: tuple(item for group in groups for item in group))
_diagrams = st.builds(
    Diagram,
    items=_items,
    front_matter=st.dictionaries(st.sampled_from(["title", "displayMode"]), st.sampled_from(["x", "a: b", "#1"])),
    directives=st.lists(st.sampled_from(["init: {'a': 1}", "wrap"]), max_size=2).map(tuple),
)


def _can_be(diagram: Diagram) -> bool:
    """No participant is created that was there before, or stands in two boxes."""
    known: set[str] = set()
    boxed: set[str] = set()
    for visit, item, _ in walk(diagram.items):
        if isinstance(item, Participant) and item.created and item.name in known:
            return False
        if isinstance(item, Box):
            members = {member.name for member in item.participants}
            if members & boxed:
                return False
            boxed |= members
        if visit is Visit.ITEM:
            known |= {participant.name for participant in Diagram((item,)).participants}
    return True


@given(_diagrams)
@settings(max_examples=examples(150))
def test_what_is_written_reads_back_the_same(diagram: Diagram) -> None:
    assume(_can_be(diagram))
    assert parse(render(diagram)) == diagram


@given(st.text(max_size=200))
@settings(max_examples=examples(100))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(DiagramError):
        diagram = parse("sequenceDiagram\n" + text)
        assert parse(render(diagram)) == diagram

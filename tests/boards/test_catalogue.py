"""The catalogue lists the available boards and parses the option that selects boards."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from typing import ClassVar

import pytest

from harness.boards.board import FEATURES, LINKS, About, Board, BoardEnvironment, BoardSettings, Credentials, Tier
from harness.boards.catalogue import BoardKind, Catalogue, Selection, registered
from harness.boards.virtual import VirtualTier
from harness.core.clock import SystemClock
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.core.network import SystemNetwork
from harness.wasmbed.pki.authority import Authority
from harness.wasmbed.pki.keys import generate_key, private_key_der


class Emulated(Tier):
    """A tier with two kinds of boards that cannot be made."""

    name: ClassVar[str] = "emulated"
    closed: ClassVar[list[str]] = []

    def kinds(self) -> tuple[str, ...]:
        return ("big-board", "small-board")

    def features(self, kind: str | None = None) -> frozenset[str]:
        return frozenset({"tls", "ethernet"} if kind == "big-board" else {"tls"})

    def about(self, kind: str) -> About:
        return About("cannot be made")

    def make(self, kind: str, settings: BoardSettings, environment: BoardEnvironment) -> Board:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed.append(self.name)


def absent() -> type[Tier]:
    raise AssertionError("an unavailable tier was loaded")


def catalogue() -> Catalogue:
    return Catalogue(
        [
            BoardKind("virtual", lambda: VirtualTier),
            BoardKind("emulated", lambda: Emulated),
            BoardKind("serial", absent, "needs a serial port: plug a board in", ("usb-board",)),
        ]
    )


@pytest.mark.parametrize(
    ("text", "selection"),
    [
        ("virtual", [Selection("virtual", 1)]),
        ("virtual=5", [Selection("virtual", 5)]),
        (" virtual = 5 , small-board=3 ", [Selection("virtual", 5), Selection("small-board", 3)]),
        ("virtual=2,small-board,virtual=3", [Selection("virtual", 5), Selection("small-board", 1)]),
        ("emulated=2", [Selection("big-board", 2)]),
        ("emulated,big-board", [Selection("big-board", 2)]),
        (
            "big-board+ethernet=2,big-board,emulated+ethernet",
            [Selection("big-board", 3, "ethernet"), Selection("big-board", 1)],
        ),
    ],
)
def test_a_selection_as_text(text: str, selection: list[Selection]) -> None:
    assert catalogue().parse(text) == selection
    assert catalogue().parse(",".join(str(each) for each in selection)) == selection


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not KIND=COUNT"),
        ("virtual,,", "not KIND=COUNT"),
        ("=5", "not KIND=COUNT"),
        ("virtual=", "not KIND=COUNT"),
        ("virtual=0", "not a valid board count"),
        ("virtual=-1", "not a valid board count"),
        ("virtual=five", "not a valid board count"),
        ("virtual=1.5", "not a valid board count"),
        ("virtual=²", "not a valid board count"),
        ("virtual=5=6", "not a valid board count"),
        ("virtual=99999999999999999999", "not a valid board count"),
        ("big-board+tls", "a big-board has no link 'tls'\n  -> its other links: ethernet"),
        ("big-board+", "no link ''"),
        ("small-board+ethernet=2", "a small-board has no link 'ethernet'\n  -> its other links: none"),
        ("virtul=5", "did you mean 'virtual'?"),
        ("small-bord", "did you mean 'small-board'?"),
        ("toaster", "there are: virtual, emulated, big-board, small-board"),
        ("usb-bord", "cannot run here: serial: needs a serial port: plug a board in"),
    ],
)
def test_an_invalid_selection_is_refused_with_what_to_change(text: str, words: str) -> None:
    with pytest.raises(UsageError) as wrong:
        catalogue().parse(text)
    assert words in str(wrong.value)
    assert "--boards" in str(wrong.value)


@pytest.mark.parametrize("text", ["serial=1", "usb-board"])
def test_a_tier_that_cannot_run_here_is_a_fault_of_the_rig(text: str) -> None:
    with pytest.raises(RigError, match=r"tier 'serial' cannot run here\n.*plug a board in"):
        catalogue().parse(text)


def test_an_unknown_tier_is_the_callers_mistake() -> None:
    with pytest.raises(UsageError, match="no tier 'qemu'"):
        catalogue().tier("qemu")


async def test_boards_come_from_the_tier_of_their_kind() -> None:
    boards = catalogue()
    assert boards.kinds == {"virtual": "virtual", "big-board": "emulated", "small-board": "emulated"}
    environment = BoardEnvironment(SystemClock(), SystemNetwork(), Randomness())
    authority = Authority.create("Servers", environment.clock).certificate
    credentials = Credentials(authority, private_key_der(generate_key()))
    settings = BoardSettings("b", credentials, ("127.0.0.1", 1), "localhost")
    assert boards.make("virtual", settings, environment).kind == "virtual"
    with pytest.raises(NotImplementedError):
        boards.make("small-board", settings, environment)
    assert boards.tier("emulated") is boards.find("small-board")[0]
    await boards.close()
    assert Emulated.closed == ["emulated"]


def test_the_virtual_tier_is_registered() -> None:
    entries = {entry.name: entry for entry in registered()}
    assert entries["virtual"].load() is VirtualTier
    assert entries["virtual"].unavailable is None


def test_a_tier_that_does_not_load_does_not_take_the_others_along(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [
            EntryPoint("broken", "harness.no_such_module:Tier", "harness.boards"),
            EntryPoint("virtual", "harness.boards.virtual:VirtualTier", "harness.boards"),
        ]
    )
    monkeypatch.setattr("harness.boards.catalogue.entry_points", lambda group: points.select(group=group))
    boards = Catalogue()
    assert boards.parse("virtual=2") == [Selection("virtual", 2)]
    with pytest.raises(RigError, match=r"No module named 'harness\.no_such_module'"):
        boards.tier("broken")


def test_a_tier_that_cannot_run_here_still_lists_its_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Emulated, "unavailable", lambda: "there is no emulator")
    point = EntryPoint("emulated", "test_catalogue:Emulated", "harness.boards")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Emulated)
    monkeypatch.setattr("harness.boards.catalogue.entry_points", lambda group: EntryPoints([point]))
    boards = Catalogue()
    assert (boards.kinds, boards.absent) == ({}, {"big-board": "emulated", "small-board": "emulated"})
    assert boards.features == {"tls", "ethernet"}
    with pytest.raises(RigError, match="there is no emulator"):
        boards.find("small-board")


def test_every_feature_of_boards_is_in_the_vocabulary() -> None:
    assert Catalogue().features >= VirtualTier().features()
    assert Catalogue().features <= FEATURES.keys()
    assert FEATURES.keys() >= LINKS


def test_an_empty_catalogue_is_reported() -> None:
    with pytest.raises(UsageError, match="is the harness installed"):
        Catalogue([]).parse("virtual")

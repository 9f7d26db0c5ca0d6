"""Options are parsed in one place, and an invalid one is refused with what to do."""

from pathlib import Path
from typing import Any

import pytest

from harness.boards.qemu import QemuTier
from harness.boards.virtual import VirtualTier
from harness.clusters.cluster import Cluster
from harness.core.clock import ManualClock
from harness.core.errors import RigError, UsageError
from harness.core.identifiers import Randomness
from harness.stack import StackOptions
from harness.stack.applications import parse_targets
from harness.stack.backends import check_names, check_options, clusters, lacking, make_cluster


def test_given_options_take_precedence_over_the_environment() -> None:
    options = StackOptions.parse(
        {"seed": "7", "heartbeat": None}, {"WASMBED_SEED": "8", "WASMBED_HEARTBEAT": "0.5", "WASMBED_REPORTS": "out"}
    )
    assert (options.seed, options.heartbeat, options.reports) == (7, 0.5, Path("out"))
    assert options.boards == "virtual"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("seed", "x"),
        ("seed", "-1"),
        ("heartbeat", "0"),
        ("heartbeat", "inf"),
        ("heartbeat", "nan"),
        ("heartbeat", "5 parsecs"),
        ("fleet", "0"),
        ("boards", ""),
    ],
)
def test_an_invalid_value_names_the_option(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"--{name}"):
        StackOptions.parse({name: text}, {})
    with pytest.raises(UsageError, match=f"WASMBED_{name.upper()}"):
        StackOptions.parse({}, {f"WASMBED_{name.upper()}": text})


def test_an_invalid_number_is_explained() -> None:
    with pytest.raises(UsageError, match="invalid value 'abc': must be a whole number"):
        StackOptions.parse({"seed": "abc"}, {})


def test_arguments_reproduce_the_options() -> None:
    options = StackOptions(seed=3, heartbeat=0.5)
    assert options.arguments() == ["--seed=3", "--heartbeat=0.5"]
    given = dict(argument.removeprefix("--").split("=") for argument in options.arguments())
    assert StackOptions.parse(given, {}) == options


@pytest.mark.parametrize(
    ("text", "seconds"), [("0.5", 0.5), ("500ms", 0.5), ("5s", 5), ("2min", 120), ("1 h", 3600), (".5", 0.5)]
)
def test_seconds_may_have_a_unit(text: str, seconds: float) -> None:
    assert StackOptions.parse({"heartbeat": text}, {}).heartbeat == pytest.approx(seconds)


def test_arguments_are_the_differences_from_the_projects_options() -> None:
    own = StackOptions(fleet=3, record=True)
    assert StackOptions(seed=1, profile="quick", reports=Path("x")).arguments(own) == [
        "--seed=1",
        "--fleet=5",
        "--record=no",
    ]


def test_an_unknown_option_of_a_marker_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown option: hartbeat"):
        StackOptions().replace(hartbeat=1)


def test_targets_are_all_labels_or_names() -> None:
    assert parse_targets("all") == {"all_devices": True}
    assert parse_targets("site=roof,kind=mcu") == {"match_labels": {"site": "roof", "kind": "mcu"}}
    assert parse_targets("pump-1, pump-2") == {"device_names": ["pump-1", "pump-2"]}
    for wrong in ("", ",", "site=roof,pump-1", "=x"):
        with pytest.raises(UsageError, match="invalid choice of devices"):
            parse_targets(wrong)


def test_an_unknown_tier_or_cluster_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"--boards: unknown boards 'paper'\n  -> there are: .*virtual"):
        check_names(StackOptions(boards="paper"))
    with pytest.raises(UsageError, match=r"--cluster: unknown cluster 'paper'\n  -> there are: .*embedded"):
        check_names(StackOptions(cluster="paper"))


@pytest.mark.skipif(QemuTier.unavailable() is not None, reason=str(QemuTier.unavailable()))
def test_a_kind_of_board_may_be_named_instead_of_a_tier() -> None:
    check_names(StackOptions(boards="lm3s6965evb"))
    wanted = ("wasm", "several-applications")
    lacks = "boards of lm3s6965evb have no several-applications, wasm"
    assert lacking(StackOptions(boards="lm3s6965evb"), wanted) == lacks
    lacks = "boards of netduinoplus2 have no several-applications"
    assert lacking(StackOptions(boards="netduinoplus2"), wanted) == lacks
    assert lacking(StackOptions(boards="mps2-an385"), wanted) is None
    with pytest.raises(UsageError, match="did you mean 'netduinoplus2'"):
        check_names(StackOptions(boards="netduinoplus"))


@pytest.mark.skipif(QemuTier.unavailable() is not None, reason=str(QemuTier.unavailable()))
def test_a_link_is_checked_before_the_run() -> None:
    check_names(StackOptions(boards="mps2-an385+ethernet"))
    with pytest.raises(UsageError, match=r"a mps2-an385 has no link 'ethernt'(.|\n)*ethernet"):
        check_names(StackOptions(boards="mps2-an385+ethernt"))


def test_a_feature_that_no_boards_have_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no boards have the feature 'wacth'(.|\n)*did you mean 'watchdog'"):
        lacking(StackOptions(), ["csr", "wacth"])


def test_a_tiers_own_feature_is_one_that_boards_may_lack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VirtualTier, "features", lambda self, kind=None: frozenset({"tls", "teleport"}))
    assert lacking(StackOptions(), ["teleport", "wasm"]) == "boards of virtual have no wasm"


def make(**options: Any) -> Cluster:
    return make_cluster(StackOptions(**options), ManualClock(), Randomness(), lambda *_: None)


def test_a_cluster_kind_that_cannot_be_loaded_or_run_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(RigError, match="--cluster=paper: cannot be loaded"):
        make(cluster="paper")
    monkeypatch.setattr(type(make()), "unavailable", lambda: "the machine is too small")
    with pytest.raises(RigError, match="too small"):
        make()
    assert clusters()["embedded"] == "the machine is too small"


def test_a_kubeconfig_is_refused_by_other_clusters(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--kubeconfig: is for --cluster=kubeconfig"):
        make(kubeconfig=tmp_path / "kubeconfig")


def test_stacks_on_a_shared_cluster_have_separate_namespaces(tmp_path: Path) -> None:
    one, other = (make(cluster="kubeconfig", kubeconfig=tmp_path / "kubeconfig") for _ in range(2))
    assert one.client("User").namespace != other.client("User").namespace


def test_features_of_virtual_boards_are_known_before_a_run() -> None:
    assert lacking(StackOptions(), ["csr", "wasm", "reset"]) is None
    assert lacking(StackOptions(), {"csr", "pause", "debug"}) == "boards of virtual have no debug, pause"


def test_boards_that_cannot_be_recorded_keep_their_features() -> None:
    assert lacking(StackOptions(record=True), {"reset"}) is None
    assert lacking(StackOptions(record=True), {"pause"}) == "boards of virtual have no pause"


@pytest.mark.skipif(QemuTier.unavailable() is not None, reason=str(QemuTier.unavailable()))
def test_features_that_recording_takes_away_are_named() -> None:
    recorded = StackOptions(boards="mps2-an385", record=True)
    assert lacking(recorded, {"csr"}) is None
    lost = {"reset", "pause", "debug", "ethernet"}
    assert lacking(recorded.replace(record=False), lost) is None
    reason = "boards of mps2-an385 have no debug, ethernet, pause, reset while they are recorded"
    assert lacking(recorded, {*lost, "csr"}) == reason
    assert lacking(recorded, {"reset", "ed25519"}) == "boards of mps2-an385 have no ed25519, reset"


@pytest.mark.skipif(QemuTier.unavailable() is not None, reason=str(QemuTier.unavailable()))
def test_features_that_a_link_takes_away_are_named() -> None:
    assert lacking(StackOptions(boards="mps2-an385"), {"reassign"}) is None
    on_ethernet = StackOptions(boards="mps2-an385+ethernet")
    assert lacking(on_ethernet, {"csr", "reassign"}) == "boards of mps2-an385+ethernet have no reassign"


def test_an_option_that_only_some_clusters_take_is_refused_by_the_others() -> None:
    for cluster, option in (("apiserver", {"kubeconfig": "x"}), ("embedded", {"allow_cluster": "lab"})):
        name = next(iter(option)).replace("_", "-")
        with pytest.raises(UsageError, match=f"--{name}: is for --cluster=kubeconfig"):
            check_options(StackOptions.parse({"cluster": cluster, **option}, {}))
    with pytest.raises(UsageError, match="--watches: is for --cluster=embedded"):
        check_options(StackOptions.parse({"cluster": "apiserver", "watches": "late"}, {}))


def test_a_name_of_two_words_has_a_dash_on_the_command_line() -> None:
    options = StackOptions(cluster="kubeconfig", allow_cluster="lab")
    assert "--allow-cluster=lab" in options.arguments()
    assert StackOptions.parse({}, {"WASMBED_ALLOW_CLUSTER": "lab"}).allow_cluster == "lab"

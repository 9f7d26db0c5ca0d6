"""Options come from one place, and a wrong one is refused with what to do."""

from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.stack import StackOptions
from harness.stack.applications import parse_targets
from harness.stack.backends import BOARDS, backends, check_names, load_cluster, load_tier
from harness.stack.options import parse_fleet


def test_what_is_given_goes_before_the_environment() -> None:
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
        ("fleet", "0"),
        ("boards", ""),
    ],
)
def test_a_value_that_cannot_be_names_the_option(name: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"--{name}"):
        StackOptions.parse({name: text}, {})
    with pytest.raises(UsageError, match=f"WASMBED_{name.upper()}"):
        StackOptions.parse({}, {f"WASMBED_{name.upper()}": text})


def test_arguments_give_the_options_again() -> None:
    options = StackOptions(seed=3, heartbeat=0.5)
    assert options.arguments() == ["--seed=3", "--heartbeat=0.5"]
    given = dict(argument.removeprefix("--").split("=") for argument in options.arguments())
    assert StackOptions.parse(given, {}) == options


def test_an_unknown_option_of_a_marker_is_refused() -> None:
    with pytest.raises(UsageError, match="no such option: hartbeat"):
        StackOptions().replace(hartbeat=1)


def test_a_fleet_is_kinds_and_numbers() -> None:
    assert parse_fleet("virtual=5, mps2-an385,virtual=1") == {"virtual": 6, "mps2-an385": 1}
    for wrong in ("virtual=x", "virtual=0"):
        with pytest.raises(UsageError, match="KIND=COUNT"):
            parse_fleet(wrong)


def test_targets_are_all_labels_or_names() -> None:
    assert parse_targets("all") == {"all_devices": True}
    assert parse_targets("site=roof,kind=mcu") == {"match_labels": {"site": "roof", "kind": "mcu"}}
    assert parse_targets("pump-1, pump-2") == {"device_names": ["pump-1", "pump-2"]}
    for wrong in ("", ",", "site=roof,pump-1", "=x"):
        with pytest.raises(UsageError, match="names no devices"):
            parse_targets(wrong)


def test_a_tier_or_cluster_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"--boards: there is no 'paper' here\n  -> there are: .*virtual"):
        check_names(StackOptions(boards="paper"))
    with pytest.raises(UsageError, match=r"--cluster: there is no 'paper' here\n  -> there are: embedded"):
        load_cluster("paper")


def test_the_virtual_tier_is_available() -> None:
    assert load_tier("virtual").name == "virtual"
    assert {backend.name: backend.unavailable for backend in backends(BOARDS)}["virtual"] is None

"""Each kind of error has its blame, its exit code, and a message with what, where, and what to do."""

import pytest

from harness.core.errors import HarnessError, ProductFailure, RigError, UsageError, suggestion


@pytest.mark.parametrize(
    ("error", "code", "blame", "builtin"),
    [
        (ProductFailure, 1, "product", AssertionError),
        (UsageError, 2, "usage", ValueError),
        (RigError, 3, "rig", RuntimeError),
    ],
)
def test_each_kind_has_its_own_exit_code_and_a_builtin_base(
    error: type[HarnessError], code: int, blame: str, builtin: type[Exception]
) -> None:
    assert (error.exit_code, error.blame) == (code, blame)
    assert issubclass(error, builtin)


def test_the_message_says_what_where_and_what_to_do() -> None:
    error = RigError("port taken", where="127.0.0.1:8081", do="stop the other one")
    assert str(error) == "127.0.0.1:8081: port taken\n  -> stop the other one"
    assert str(UsageError("no such board")) == "no such board"


def test_a_misspelled_name_gets_the_closest_known_one_suggested() -> None:
    assert suggestion("tsl", {"tls": "", "wasm": ""}) == "did you mean 'tls'? "
    assert suggestion("teleport", ["tls", "wasm"]) == ""

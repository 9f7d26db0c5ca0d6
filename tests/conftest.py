"""What holds for the tests of every room."""

import os


def pytest_sessionstart() -> None:
    """The runs that tests start are no part of the CI job that runs the tests: they must not write into its page."""
    for name in [name for name in os.environ if name.startswith("GITHUB_")]:
        del os.environ[name]

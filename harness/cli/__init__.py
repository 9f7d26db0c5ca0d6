"""The command line front door: ``wasmbed``. Every command is a module that is imported when it is called."""

from harness.cli.main import main

__all__ = ["main"]

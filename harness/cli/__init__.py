"""The command line ``wasmbed``. The module of a command is imported when the command is called."""

import sys

try:
    from harness.cli.main import main
except KeyboardInterrupt:
    sys.exit(130)

__all__ = ["main"]

"""The command line front door: ``wasmbed``. Every command is a module that is imported when it is called."""

import sys

try:
    from harness.cli.main import main
except KeyboardInterrupt:
    sys.exit(130)

__all__ = ["main"]

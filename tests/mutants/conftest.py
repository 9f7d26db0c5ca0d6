"""``mutants`` is not a part of the package that is installed: it is found beside it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

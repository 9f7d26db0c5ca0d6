"""``python -m harness.robot_library.reference FILE``: writes the keywords' reference, made by libdoc from the code.

The same code makes the same file on any machine: it has no date, no path, and no line numbers.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path

from robot.libdocpkg import LibraryDocumentation
from robot.libdocpkg.model import LibraryDoc

__all__ = ["document", "write_reference"]

LIBRARY = "harness.robot_library"


@cache
def document() -> LibraryDoc:
    """Return the library's keywords as libdoc describes them, their documentation converted to HTML.

    Made once a process: libdoc finds no return types when it reads this library a second time.
    """
    found: LibraryDoc = LibraryDocumentation(LIBRARY)
    found.convert_docs_to_html()
    for each in (found, *found.inits, *found.keywords):
        each.source, each.lineno = None, -1
    return found


def write_reference(path: Path) -> None:
    """Write the reference as one HTML file."""
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    path.parent.mkdir(parents=True, exist_ok=True)
    document().save(str(path), "HTML")


if __name__ == "__main__":
    write_reference(Path(sys.argv[1]))
    print(f"keywords: {sys.argv[1]}")

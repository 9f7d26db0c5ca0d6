"""Errors of files that the caller named."""

from pathlib import Path

import pytest

from harness.core.errors import UsageError
from harness.core.files import read_text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (Path.mkdir, "cannot be read: Is a directory"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b"one\ntwo \xff\n"), "is not UTF-8 text: byte 0xff in line 2"),
    ],
    ids=["missing", "folder", "circle", "bytes"],
)
def test_a_file_that_cannot_be_read_is_the_callers_error(tmp_path: Path, make, message: str) -> None:
    make(tmp_path / "file")
    with pytest.raises(UsageError) as refused:
        read_text(tmp_path / "file", "name another")
    assert (refused.value.what, refused.value.where) == (message, str(tmp_path / "file"))
    assert refused.value.do == "name another"


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: embedded null byte"):
        read_text(tmp_path / "a\0b", "name another")


def test_a_byte_order_mark_is_left_out_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("\ufeffé".encode())
    assert read_text(tmp_path / "file", "") == "é"

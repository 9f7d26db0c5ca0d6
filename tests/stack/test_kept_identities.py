"""The authorities and identities of a state folder are whole, or the file that is not is named; none is made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.core.clock import SystemClock
from harness.core.errors import RigError
from harness.core.identifiers import Randomness
from harness.stack.credentials import Pki

FILES = [
    "devices/ca-cert.der",
    "devices/ca-key.der",
    "devices/crl.der",
    "gateways/p256/ca-key.der",
    "gateways/ed25519/crl.der",
    "boards/meter/device-cert.der",
    "boards/meter/device-key.der",
]


def kept(folder: Path) -> Pki:
    unused: Any = None
    return Pki(SystemClock(), Randomness(1), unused, lambda *about, **data: None, folder)


async def test_identities_are_the_same_after_a_restart(tmp_path: Path) -> None:
    before = await kept(tmp_path).credentials("meter")
    after = await kept(tmp_path).credentials("meter")
    assert (before.certificate, before.private_key) == (after.certificate, after.private_key)
    assert before.authority == after.authority


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"x")])
@pytest.mark.parametrize("name", FILES)
async def test_a_lost_or_damaged_file_is_named(tmp_path: Path, name: str, damage: Any) -> None:
    """A new authority in place of the kept one would shut out every board."""
    await kept(tmp_path).credentials("meter")
    damage(tmp_path / name)
    with pytest.raises(RigError, match=name) as caught:
        await kept(tmp_path).credentials("meter")
    assert caught.value.do == "restore the state folder from a copy, or begin with a new one"


async def test_a_folder_that_was_not_finished_is_made_anew(tmp_path: Path) -> None:
    """A process that was killed while it wrote the first time has issued nothing."""
    (tmp_path / ".devices.new").mkdir()
    (tmp_path / ".devices.new/ca-cert.der").write_bytes(b"x")
    assert (await kept(tmp_path).credentials("meter")).certificate

"""``wasmbed platform build``: what is made for which settings, and what is said where that is impossible."""

from pathlib import Path

import pytest

from harness.core.errors import RigError, UsageError
from harness.platform.build import build, targets
from harness.platform.settings import Settings


def sources(folder: Path, recipe: str) -> Path:
    """A clone's folder with one target."""
    (folder / "firmware").mkdir()
    (folder / "firmware" / "build.py").touch()
    (folder / "Makefile").write_text(f"boards:\n\t{recipe}\n")
    return folder


def test_emulators_need_firmware_and_a_cluster_needs_images() -> None:
    assert list(targets(Settings())) == ["boards"]
    assert list(targets(Settings.model_validate({"emulators": {"enabled": False}}))) == []
    in_cluster = Settings.model_validate({"cluster": {"manifests": "deploy/kustomize/overlays/local"}})
    assert list(targets(in_cluster)) == ["deploy-tools", "manifests", "oci"]


def test_a_target_is_made_in_the_sources(tmp_path: Path) -> None:
    build("boards", sources(tmp_path, "@touch made"))
    assert (tmp_path / "made").exists()


def test_a_target_that_fails_is_the_rigs_failure(tmp_path: Path) -> None:
    with pytest.raises(RigError, match="make boards failed with exit code 2"):
        build("boards", sources(tmp_path, "@exit 1"))


def test_without_sources_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="installed without its sources"):
        build("boards", tmp_path)

"""The images: what they hold, and that their programs run from them, as a user who can write nothing."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.conftest import DEPLOY
from tests.deploy.test_manifests import Tool

NAMES = ("platform", "boards")
RUN = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t tmpfs tmpfs "$1/tmp"
mount -o remount,bind,ro "$1"
root=$1
shift
exec chroot --userspec=65532:65532 "$root" "$@"
"""
"""Runs a program as an image's user, on its root file system, with nothing to write but ``/tmp``."""


def layout(name: str) -> Path:
    """The OCI layout of an image, if it was built."""
    from deploy.images import FOLDER

    if not (FOLDER / name / "index.json").is_file():
        pytest.skip(f"the image {name} is not built: run make oci")
    return FOLDER / name


def blob(folder: Path, digest: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "blobs" / digest.replace(":", "/")).read_text())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_an_image_names_its_program_and_a_user(name: str) -> None:
    from deploy.bill import digest_of

    folder = layout(name)
    config = blob(folder, blob(folder, digest_of(folder))["config"]["digest"])["config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["/usr/bin/python3", "-P", "-m", "harness.cli"]


@pytest.mark.parametrize("name", NAMES)
def test_a_bill_names_the_image_its_packages_and_its_wheels(name: str) -> None:
    from deploy.bill import digest_of

    folder = layout(name)
    bill = json.loads(folder.with_suffix(".cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert digest_of(folder) in bill["metadata"]["component"]["purl"]
    named = {each["purl"].partition("@")[0] for each in bill["components"]}
    assert {"pkg:deb/debian/python3.11-minimal", "pkg:deb/debian/libssl3", "pkg:pypi/wasmbed-harness"} <= named
    pinned = {line.lower() for line in (DEPLOY.parent / "constraints.txt").read_text().splitlines()}
    wheels = {each["purl"] for each in bill["components"] if each["purl"].startswith("pkg:pypi/")}
    assert wheels - {f"pkg:pypi/{line.replace('==', '@').replace('_', '-')}" for line in pinned} == {
        f"pkg:pypi/wasmbed-harness@{bill['metadata']['component']['version']}"
    }


@pytest.mark.system("buildah")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces everywhere")
def test_the_programs_run_from_the_image(tool: Tool, tmp_path: Path) -> None:
    """As its user, who can write nothing but /tmp; there is no shell in it, and nothing that gains rights."""
    archive, root = layout("platform").with_suffix(".tar"), tmp_path / "root"
    root.mkdir()
    with archive.open("rb") as given:
        export = subprocess.Popen([tool("crane"), "export", "-", "-"], stdin=given, stdout=subprocess.PIPE)
    subprocess.run(["tar", "-xC", root], stdin=export.stdout, check=True, timeout=150)
    assert export.stdout is not None
    export.stdout.close()
    assert export.wait(150) == 0
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    assert [path for path in files if path.stat().st_mode & 0o6000] == []
    assert not list(root.glob("bin/*sh"))

    def runs(*command: str) -> subprocess.CompletedProcess[str]:
        config = {"PYTHONPATH": "/opt/wasmbed/site", "HOME": "/tmp", "PATH": os.environ["PATH"]}
        unshare = ("unshare", "--mount", "--pid", "--fork", "--net", "sh", "-c", RUN, "sh", str(root))
        return subprocess.run(
            [*unshare, *command], env=config, capture_output=True, text=True, timeout=150, check=False
        )

    program = ("/usr/bin/python3", "-P", "-m", "harness.cli")
    assert "Run one gateway until SIGTERM" in runs(*program, "gateway", "--help").stdout
    refused = runs(*program, "controllers")
    assert refused.returncode == 2
    assert "the pod's service account: not a usable Kubernetes configuration" in refused.stderr
    written = runs("/usr/bin/python3", "-c", "open('/tmp/a', 'w'); open('/opt/wasmbed/a', 'w')")
    assert "Read-only file system: '/opt/wasmbed/a'" in written.stderr


def test_a_signature_tells_a_bill_that_was_changed(tmp_path: Path) -> None:
    from deploy.bill import sign

    key, public, bill = tmp_path / "key.pem", tmp_path / "key.pub", tmp_path / "bill.json"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, timeout=60)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True, timeout=60)
    bill.write_text("{}")
    verify = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", public, "-in", bill]
    verify += ["-sigfile", sign(bill, key)]
    assert subprocess.run(verify, capture_output=True, timeout=60, check=False).returncode == 0
    bill.write_text("{ }")
    assert subprocess.run(verify, capture_output=True, timeout=60, check=False).returncode == 1

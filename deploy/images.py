"""Build the OCI images without a registry: ``python deploy/images.py [platform] [boards]``; ``make oci``.

The root file systems come from Debian's packages (mmdebstrap) and wheels (pip, as pinned in constraints.txt), and
buildah puts them together. Each image is an OCI layout ``.cache/oci/NAME`` and an archive ``.cache/oci/NAME.tar``, as
``k3d image import`` and ``docker load`` take it, with its bill of materials, ``NAME.cdx.json``, signed if the variable
SIGNING_KEY names a private key (PEM), whose public key is then beside them (``key.pub``). Exit status 3 where a tool is
missing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from deploy.bill import bill, digest_of, sign

__all__ = ["FOLDER", "NAMES", "missing", "version"]

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "deploy" / "images"
FOLDER = ROOT / ".cache" / "oci"
PUBLIC_KEY = FOLDER / "key.pub"
"""Of the latest SIGNING_KEY: what checks the signatures."""
SUITE = "trixie"
"""The release of Debian. Its Python is 3.13; that of the release before, 3.11.2, cannot limit TLS to X25519."""
PYTHON = "3.13"
PLATFORMS = ("manylinux_2_39", "manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014", "any")
"""Of wheels that its glibc can load, newest first."""
PACKAGES = {
    "platform": ("base-files", "python3", "ca-certificates", "libstdc++6"),
    "boards": ("base-files", "python3", "ca-certificates", "libstdc++6", "qemu-system-arm", "qemu-system-misc"),
}
NAMES = tuple(PACKAGES)
RECORD = """
mkdir -p "$1/var/lib/dpkg/status.d"
for deb in "$1"/var/cache/apt/archives/*.deb; do
    dpkg-deb -f "$deb" >"$1/var/lib/dpkg/status.d/$(dpkg-deb -f "$deb" Package)"
done
"""
"""A file for each package, as images without a package manager have them: scanners read it."""
SUITE_FILES = ("conftest.py", "pyproject.toml", "scenarios")
NEEDED = ("mmdebstrap", "buildah")
BUILDAH = ("buildah", f"--root={FOLDER / 'store'}", f"--runroot={FOLDER / 'run'}", "--storage-driver=vfs")
"""A store of our own, where an image that has no name any more can be removed."""


def version() -> str:
    """The platform's version, which is the images' tag."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return str(found)


def missing() -> str | None:
    """Why no image can be built here; None where it can."""
    if absent := [name for name in NEEDED if shutil.which(name) is None]:
        return f"{', '.join(absent)} not installed: apt install {' '.join(absent)}"
    return None if os.geteuid() == 0 else "mmdebstrap and buildah are run as root here"


def run(*command: str | Path) -> str:
    """Run a program; returns its output. Raises CalledProcessError with what it said."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=True)
    except subprocess.CalledProcessError as error:
        print(error.stderr[-2000:], file=sys.stderr)
        raise
    return done.stdout


def base(name: str, folder: Path) -> str:
    """Build the image below ``name`` from Debian's packages, unless it is there; returns its name with its digest."""
    packages = ",".join(PACKAGES[name])
    recipe = hashlib.sha256(f"{SUITE} {packages} {RECORD}".encode())
    for file in ("base.Containerfile", "passwd", "group"):
        recipe.update((RECIPES / file).read_bytes())
    tag = f"localhost/wasmbed/base-{name}:{recipe.hexdigest()[:16]}"
    if not run(*BUILDAH, "images", "--noheading", "--filter", f"reference={tag}", "--quiet").strip():
        # Extracted, not configured: nothing in it is started by a package's script.
        options = ("--mode=root", "--variant=extract", f"--include={packages}", f"--extract-hook={RECORD}", "--quiet")
        run("mmdebstrap", *options, SUITE, folder / "root.tar")
        for each in ("passwd", "group"):
            shutil.copy(RECIPES / each, folder)
        run(*BUILDAH, "bud", "--timestamp=0", "-f", RECIPES / "base.Containerfile", "-t", tag, folder)
    digest, *_ = run(*BUILDAH, "images", "--noheading", "--format", "{{.Digest}}", tag).split()  # one for each name
    return f"{tag.rpartition(':')[0]}@{digest}"


def site(folder: Path) -> None:
    """The harness and what it needs, as wheels of the base's Python."""
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder / "wheels", ROOT)
    (wheel,) = (folder / "wheels").glob("wasmbed_harness-*.whl")
    machine = os.uname().machine
    tags = [f"--platform={each}" if each == "any" else f"--platform={each}_{machine}" for each in PLATFORMS]
    target: tuple[str | Path, ...] = (
        "--target",
        folder / "site",
        f"--python-version={PYTHON}",
        "--only-binary=:all:",
        "--no-compile",
        *tags,
    )
    run(*pip, "install", *target, "-c", ROOT / "constraints.txt", wheel)


def build(name: str) -> Path:
    """Build an image; returns its OCI layout."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    target, tag = FOLDER / name, f"wasmbed/{name}:{version()}"
    with tempfile.TemporaryDirectory(dir=FOLDER) as made:
        folder = Path(made)
        below = base(name, folder)
        site(folder)
        if name == "boards":
            shutil.copytree(ROOT / "firmware" / "images", folder / "images", ignore=shutil.ignore_patterns("*.so*"))
            for file in SUITE_FILES:
                copy = shutil.copytree if (ROOT / file).is_dir() else shutil.copy
                (folder / "suite").mkdir(exist_ok=True)
                copy(ROOT / file, folder / "suite" / file)
        recipe = RECIPES / f"{name}.Containerfile"
        run(*BUILDAH, "bud", "--timestamp=0", f"--build-arg=BASE={below}", "-f", recipe, "-t", tag, folder)
        shutil.rmtree(target, ignore_errors=True)
        archive = target.with_suffix(".tar")
        archive.unlink(missing_ok=True)
        run(*BUILDAH, "push", tag, f"oci:{target}:{version()}")
        run(*BUILDAH, "push", tag, f"docker-archive:{archive}:docker.io/{tag}")
        write_bill(target, tag, folder)
        run(*BUILDAH, "rmi", "--prune")
    return target


def write_bill(target: Path, tag: str, folder: Path) -> None:
    """Write the bill of materials of the image in the layout ``target``, and sign it."""
    container = run(*BUILDAH, "from", tag).strip()
    try:
        packages = Path(run(*BUILDAH, "mount", container).strip()) / "var/lib/dpkg/status.d"
        text = bill(target.name, version(), digest_of(target), packages, folder / "site")
    finally:
        run(*BUILDAH, "rm", container)
    written = target.with_suffix(".cdx.json")
    written.write_text(text)
    written.with_name(f"{written.name}.sig").unlink(missing_ok=True)
    if key := os.environ.get("SIGNING_KEY"):
        sign(written, Path(key))
        run("openssl", "pkey", "-in", key, "-pubout", "-out", PUBLIC_KEY)


def main(*names: str) -> int:
    """Build the named images, or all; returns the exit code."""
    if (why := missing()) is not None:
        print(why, file=sys.stderr)
        return 3
    for name in names or NAMES:
        print(f"{name}: {build(name)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""The bill of materials of an image: CycloneDX 1.6, from the records of Debian's packages and of wheels."""

from __future__ import annotations

import email
import hashlib
import json
import subprocess
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

__all__ = ["bill", "digest_of", "sign"]


def bill(name: str, version: str, digest: str, packages: Path, site: Path) -> str:
    """The bill of the image ``name``, whose manifest has this digest, as JSON.

    ``packages`` is the folder of its packages' records, ``site`` that of its wheels.
    """
    image = Component(
        name=f"wasmbed/{name}",
        version=version,
        type=ComponentType.CONTAINER,
        purl=PackageURL("oci", None, name, digest),
    )
    bom = Bom(components=[*_packages(packages), *_wheels(site)])
    bom.metadata.component = image
    bom.register_dependency(image, bom.components)
    return str(JsonV1Dot6(bom).output_as_string(indent=1))


def sign(file: Path, key: Path) -> Path:
    """Sign a file with a private key, PEM, that openssl reads; returns the signature's file. Check it with ``openssl
    pkeyutl -verify -rawin -pubin -inkey KEY.pub -in FILE -sigfile FILE.sig``."""
    signature = file.with_name(f"{file.name}.sig")
    command = ("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", file, "-out", signature)
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    return signature


def digest_of(layout: Path) -> str:
    """The digest of the only image in an OCI layout, whose file is checked."""
    (manifest,) = json.loads((layout / "index.json").read_text())["manifests"]
    algorithm, _, value = manifest["digest"].partition(":")
    if hashlib.new(algorithm, (layout / "blobs" / algorithm / value).read_bytes()).hexdigest() != value:
        raise ValueError(f"{layout}: the manifest does not have its digest")
    return str(manifest["digest"])


def _packages(folder: Path) -> Iterator[Component]:
    for record in sorted(folder.iterdir()):
        fields = email.message_from_string(record.read_text("utf-8"))
        name, version, machine = fields["Package"], fields["Version"], fields["Architecture"]
        purl = PackageURL("deb", "debian", name, version, {"arch": machine})
        yield Component(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl))


def _wheels(site: Path) -> Iterator[Component]:
    for found in distributions(path=[str(site)]):
        name, version = found.metadata["Name"], found.version
        purl = PackageURL("pypi", None, name.lower().replace("_", "-"), version)
        yield Component(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl))

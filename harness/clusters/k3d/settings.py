"""The parts of a k3d cluster: a configuration file of k3d, images for its nodes, and whether it is kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from harness.core.data_files import data_folder
from harness.core.errors import UsageError, reason

__all__ = ["LONGEST_NAME", "Settings"]

LONGEST_NAME = 32
"""Characters of a cluster's name that k3d takes."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_PLATFORM = ("wasmbed/platform", "wasmbed/boards")
"""The images that are built here: gateway and controllers; the same with emulators."""


@dataclass(frozen=True)
class Settings:
    """Made from a stack's options. Raises UsageError for a configuration file or a name that k3d would refuse."""

    config: Path | None = None
    """A configuration file of k3d (``apiVersion: k3d.io/v1alpha5``)."""
    images: tuple[str, ...] = ()
    """Names of images that Docker has, and archives of images."""
    keep: str | None = None
    """The name of a cluster that is used if it is there, and stays."""

    def __post_init__(self) -> None:
        if self.keep is not None and (len(self.keep) > LONGEST_NAME or not _NAME.fullmatch(self.keep)):
            raise UsageError(
                f"{self.keep!r} cannot be the name of a k3d cluster",
                where="--keep-cluster",
                do=f"use a-z, 0-9 and -, at most {LONGEST_NAME} characters",
            )
        if self.config is not None:
            self._read()

    @property
    def node_image(self) -> str | None:
        """The image of the nodes that the configuration file names."""
        return str(self._read().get("image") or "") or None

    @property
    def has_load_balancer(self) -> bool:
        """Whether a container before the nodes passes connections on. Without a configuration file there is none."""
        if self.config is None:
            return False
        options = self._read().get("options") or {}
        return not ((options.get("k3d") or {}).get("disableLoadbalancer") if isinstance(options, dict) else False)

    @property
    def digest(self) -> str:
        """Eight characters that differ for clusters that are created differently."""
        content = self.config.read_bytes() if self.config is not None else b""
        return hashlib.sha256(content).hexdigest()[:8]

    @property
    def key(self) -> str:
        """Eight characters that differ for settings that do."""
        return hashlib.sha256(self.as_json().encode() + self.digest.encode()).hexdigest()[:8]

    def platform_images(self) -> Iterator[str]:
        """The images of the platform: archives that were built here, else their names in Docker."""
        for name in _PLATFORM:
            archive = data_folder(".cache") / "oci" / f"{name.rpartition('/')[2]}.tar"
            yield str(archive) if archive.is_file() else f"{name}:{version('wasmbed-harness')}"

    def as_json(self) -> str:
        """One line from which :meth:`of_json` makes the same settings."""
        config = str(self.config.resolve()) if self.config is not None else None
        return json.dumps({"config": config, "images": self.images, "keep": self.keep})

    @classmethod
    def of_json(cls, text: str) -> Settings:
        """The settings of :meth:`as_json`."""
        said = json.loads(text)
        return cls(Path(said["config"]) if said["config"] else None, tuple(said["images"]), said["keep"])

    def _read(self) -> dict[str, Any]:
        if self.config is None:
            return {}
        try:
            content = yaml.safe_load(self.config.read_bytes())
        except (OSError, yaml.YAMLError) as error:
            raise UsageError(
                f"the configuration file of k3d cannot be read: {reason(error)}",
                where=f"--k3d-config={self.config}",
                do="name a file as in https://k3d.io/stable/usage/configfile",
            ) from error
        if not isinstance(content, dict) or not str(content.get("apiVersion")).startswith("k3d.io/"):
            raise UsageError(
                "not a configuration file of k3d",
                where=f"--k3d-config={self.config}",
                do="begin it with: apiVersion: k3d.io/v1alpha5, kind: Simple; see docs/how-to/use-k3d",
            )
        return content

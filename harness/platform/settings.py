"""``wasmbed.toml``: what a platform on one machine consists of, and where it listens.

A profile changes defaults; the file has precedence over it, and ``--set`` over the file. The types here check the
file and make its JSON Schema.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.core.addresses import check_host, check_origin
from harness.core.errors import UsageError, reason
from harness.wasmbed.resources.names import DEFAULT_NAMESPACE

__all__ = ["FILE", "PROFILES", "Settings", "read_settings", "schema", "with_profile"]

FILE = "wasmbed.toml"
MOST_GATEWAYS = 32
Port = Annotated[int, Field(ge=0, le=65_535, strict=True)]
"""0 is any free one."""
Host = Annotated[str, AfterValidator(check_host)]
Origin = Annotated[str, AfterValidator(check_origin)]

PROFILES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "local": {},
    "documents": {
        "api": {"port": 30_453},
        "infrastructure": {"port": 30_461},
        "aliases": {"dashboard": 30_470, "gateway_http": 30_451},
    },
}
"""Defaults by profile. ``documents`` has the ports that the documents name."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Platform(_Table):
    """The installation."""

    profile: Literal["local", "documents"] = Field(default="local", description="Which defaults are used.")
    folder: Path = Field(default=Path(".wasmbed"), description="Keys, resources and logs; relative to the file.")
    namespace: str = Field(
        default=DEFAULT_NAMESPACE,
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="Namespace of the resources.",
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address at which everything listens.")


class Cluster(_Table):
    """The Kubernetes API server."""

    kubeconfig: Path | None = Field(
        default=None, description="Kubeconfig of a cluster that is there. Without it an embedded API server is started."
    )
    manifests: Path | None = Field(
        default=None,
        description="A folder for kustomize, or a file: the programs run in the cluster, as it says, and not here.",
    )


class Gateways(_Table):
    """The gateways. A second one and those after it listen at free ports."""

    count: int = Field(default=1, ge=1, le=MOST_GATEWAYS, strict=True, description="Number of gateways.")
    port: Port = Field(default=8081, description="Port for devices, of the first gateway.")
    http_port: Port = Field(default=8080, description="Port of the HTTP API, of the first gateway.")
    hosts: tuple[Host, ...] = Field(
        default=(), description="Further names and addresses in the gateways' certificates."
    )
    settings: Path | None = Field(default=None, description="A settings file of gateways (TOML).")


class Controllers(_Table):
    """The controllers."""

    port: Port = Field(default=8082, description="Port of their probes and metrics.")


class Api(_Table):
    """The REST API and the dashboard."""

    port: Port = Field(default=3001, description="Port.")
    origins: tuple[Origin, ...] = Field(default=(), description="Origins of other web pages that may call it.")


class Infrastructure(_Table):
    """The service of certificates, secrets, logs and metrics."""

    enabled: bool = Field(default=True, description="Whether it runs.")
    port: Port = Field(default=30_460, description="Port.")


class Emulators(_Table):
    """The manager of boards that Devices ask for."""

    enabled: bool = Field(default=True, description="Whether it runs.")


class Aliases(_Table):
    """Further ports at which the same is served."""

    dashboard: Port | None = Field(default=None, description="Of the REST API and the dashboard.")
    gateway_http: Port | None = Field(default=None, description="Of the first gateway's HTTP API.")


class Settings(_Table):
    """All of ``wasmbed.toml``."""

    platform: Platform = Platform()
    cluster: Cluster = Cluster()
    gateways: Gateways = Gateways()
    controllers: Controllers = Controllers()
    api: Api = Api()
    infrastructure: Infrastructure = Infrastructure()
    emulators: Emulators = Emulators()
    aliases: Aliases = Aliases()

    @model_validator(mode="after")
    def _ports_differ(self) -> Settings:
        taken: dict[int, str] = {}
        for name, port in self.ports().items():
            if port and port in taken:
                raise ValueError(f"{name} and {taken[port]} have the same port, {port}")
            taken[port] = name
        return self

    def ports(self) -> dict[str, int]:
        """Return all ports by the names of their settings."""
        found = {
            "gateways.port": self.gateways.port,
            "gateways.http_port": self.gateways.http_port,
            "controllers.port": self.controllers.port,
            "api.port": self.api.port,
            "infrastructure.port": self.infrastructure.port if self.infrastructure.enabled else None,
            "aliases.dashboard": self.aliases.dashboard,
            "aliases.gateway_http": self.aliases.gateway_http,
        }
        return {name: port for name, port in found.items() if port is not None}

    def table(self) -> dict[str, Any]:
        """Return them as they stand in a file."""
        return self.model_dump(mode="json", exclude_none=True)


def schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Settings.model_json_schema(),
        "title": FILE,
    }


def read_settings(path: Path | None, pairs: Iterable[str] = ()) -> Settings:
    """The settings in ``path`` (None: ``wasmbed.toml``, if there is one), with ``TABLE.NAME=VALUE`` pairs over them.
    Paths in it are relative to the file. Raises UsageError with the setting's name."""
    file = path or Path(FILE)
    table = _read(file, must_exist=path is not None)
    options = {_set(table, pair) for pair in pairs}
    try:
        given = Settings.model_validate(table)
        return _placed(Settings.model_validate(with_profile(given.platform.profile, table)), file.parent)
    except ValidationError as error:
        raise _explained(error, str(file), options) from error


def with_profile(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """``table`` over the profile's defaults."""
    merged: dict[str, Any] = {part: dict(values) for part, values in PROFILES[name].items()}
    for part, values in table.items():
        merged[part] = {**merged.get(part, {}), **values} if isinstance(values, Mapping) else values
    return merged


def _read(file: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        if not must_exist:
            return {}
        raise UsageError("there is no such file", where=str(file), do="see wasmbed config") from error
    except OSError as error:
        raise UsageError(f"cannot be read: {reason(error)}", where=str(file), do="name a readable file") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"invalid TOML: {error}", where=str(file), do="correct it there") from error


def _set(table: dict[str, Any], pair: str) -> str:
    """Put a pair into ``table``; returns its name."""
    name, equals, text = pair.partition("=")
    part, dot, setting = name.partition(".")
    if not (equals and dot and part and setting):
        raise UsageError(f"{pair!r} is not TABLE.NAME=VALUE", where="--set", do="write, for example, --set api.port=0")
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    table[part] = {**table.get(part, {}), setting: value}
    return name


def _placed(settings: Settings, folder: Path) -> Settings:
    """The same with the paths in it relative to the file's folder."""

    def place(path: Path | None) -> Path | None:
        return None if path is None else (folder / path.expanduser()).absolute()

    return settings.model_copy(
        update={
            "platform": settings.platform.model_copy(update={"folder": place(settings.platform.folder)}),
            "cluster": settings.cluster.model_copy(
                update={
                    "kubeconfig": place(settings.cluster.kubeconfig),
                    "manifests": place(settings.cluster.manifests),
                }
            ),
            "gateways": settings.gateways.model_copy(update={"settings": place(settings.gateways.settings)}),
        }
    )


def _explained(error: ValidationError, file: str, options: Collection[str]) -> UsageError:
    first, *more = error.errors(include_url=False)
    name = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "tuple_type":
        message = 'write a list, for example ["a", "b"]'
    if first["type"] == "extra_forbidden":
        parent: Any = Settings
        for part in first["loc"][:-1]:
            parent = parent.model_fields[str(part)].annotation
        message = f"unknown; known are {', '.join(parent.model_fields)}"
    rest = f" (and {len(more)} more)" if more else ""
    given_by_option = any(option == name or option.startswith(f"{name}.") for option in options)
    return UsageError(
        f"{name}: {message}{rest}" if name else f"{message}{rest}",
        where="--set" if given_by_option else file,
        do="correct it; see wasmbed config --schema",
    )

"""The kinds of resource types. A path has only the plural, and a deletion's body is of another kind."""

from __future__ import annotations

from harness.clusters.passing import read_json
from harness.clusters.requests import ResourcePath
from harness.wasmbed.resources.api import Resource
from harness.wasmbed.resources.kubernetes_api import KubernetesApi

__all__ = ["Kinds"]


class Kinds:
    """The content of an API server's discovery, read once for each version of a group that is served."""

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._served: dict[tuple[str, str], dict[str, str]] = {}

    async def resource(self, about: ResourcePath) -> Resource:
        """The type that a path is about; its plural stands for the kind where the API server does not know it."""
        resource = about.resource()
        if resource.kind:
            return resource
        kinds = self._served.get((about.group, about.version), {})
        if about.plural not in kinds:
            kinds = await self._read(about)
        return about.resource(kinds.get(about.plural, about.plural))

    async def _read(self, about: ResourcePath) -> dict[str, str]:
        path = f"/apis/{about.group}/{about.version}" if about.group else f"/api/{about.version}"
        try:
            answer = await self._api.forward("GET", path, {"Accept": "application/json"}, b"")
            async with answer:
                found = read_json(await answer.read()) if answer.status == 200 else None
        except OSError:  # the request itself says what is wrong with the server
            return {}
        listed = found.get("resources", []) if isinstance(found, dict) else []
        kinds = {each["name"]: each["kind"] for each in listed}
        if kinds:
            self._served[about.group, about.version] = kinds
        return kinds

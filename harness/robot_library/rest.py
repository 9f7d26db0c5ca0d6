"""Keywords about the platform's REST API."""

from __future__ import annotations

from typing import Any, Literal

from harness.core.errors import ProductFailure
from harness.robot_library.async_keywords import StackKeywords, async_keyword

__all__ = ["RestKeywords"]

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Role = Literal["viewer", "operator", "admin"]


class RestKeywords(StackKeywords):
    """Keywords about the REST API, which the first of them starts. Bodies and answers are as in JSON."""

    @async_keyword("rest")
    async def ask_rest_api(self, method: Method, path: str, body: Any = None, role: Role = "admin") -> Any:
        """Send a request as a caller with a role, and return the answer's content. A refusal fails the test.

        | ${answer}=    Ask Rest Api    GET    /api/v1/devices    role=viewer
        """
        rest = await self.stack.rest_api()
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = {}
        return await rest.request(method, path, body, role, {})

    @async_keyword("rest")
    async def rest_api_should_refuse(
        self, status: int, method: Method, path: str, body: Any = None, role: Role = "admin"
    ) -> str:
        """Send a request that has to be refused with that status of HTTP. Returns the reason.

        | Rest Api Should Refuse    403    DELETE    /api/v1/devices/pump-1    role=viewer
        """
        from harness.stack.rest_api import RestApiRefusal

        rest = await self.stack.rest_api()
        try:
            answer = await rest.request(method, path, body, role, {})
        except RestApiRefusal as refusal:
            if refusal.status != status:
                raise ProductFailure(f"{method} {path} was refused with {refusal}, and not with {status}") from refusal
            return str(refusal.problem.get("detail"))
        raise ProductFailure(f"{method} {path} was not refused: {answer}")

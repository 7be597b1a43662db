"""What is said to a request that is not answered, in OpenAI's format."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

# What the clients of OpenAI make their exceptions of.
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class Refusal(Exception):
    """A request that is not answered: status, what is wrong, and where."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        """The error as clients of OpenAI read it."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        """Return the whole response."""
        return Response(orjson.dumps(self.body), self.status, self.headers, "application/json")

"""Reading a request's body: JSON objects only, never more bytes than allowed, never for longer than allowed."""

import asyncio
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from schemas.problems import ProblemError

READ_SECONDS = 10.0
HEARD_OUT_BYTES = 1_048_576
# The rest of the body is not wanted, so the connection must not go on after the answer.
_CLOSE = {"Connection": "close"}


async def read_object(request: Request, max_bytes: int) -> dict[str, Any]:
    """The body as an object. What is kept is limited while reading, whatever `Content-Length` says.

    Raises `ProblemError`: `unsupported_media_type`, `body_too_large`, `body_timeout`, `malformed_body`.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ProblemError("unsupported_media_type")
    raw = await read_bytes(request, max_bytes)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ProblemError("malformed_body") from None
    if not isinstance(value, dict):
        raise ProblemError("malformed_body")
    return value


async def read_bytes(request: Request, max_bytes: int) -> bytes:
    """The body as it is. Raises `ProblemError`: `body_too_large`, `body_timeout`."""
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await _read(request, max_bytes)
    except TimeoutError:
        raise ProblemError("body_timeout", headers=_CLOSE) from None


async def _read(request: Request, max_bytes: int) -> bytes:
    """All of the body. One that is a little too large is heard out, so that the client hears our answer too."""
    raw, size, more = b"", 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size <= max_bytes:
            raw += chunk
        elif size > max_bytes + HEARD_OUT_BYTES:
            raise ProblemError("body_too_large", headers=_CLOSE)
    if size > max_bytes:
        raise ProblemError("body_too_large")
    return raw

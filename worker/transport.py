"""HTTP under the genuine clients: httpx's transport interface over one aiohttp session.

supabase and google-genai both speak httpx. A picture of a few megabytes costs a fraction of the CPU over aiohttp, and
the size of an answer is bounded here while it arrives, decompressed, before anything holds it.
Every failure is the httpx exception that httpx's own transport would raise for it, `ResponseTooLargeError` besides.
Nothing is sent twice: no redirect is followed, and aiohttp repeats idempotent requests only.
"""

from collections.abc import AsyncIterator

import aiohttp
import httpx
from multidict import CIMultiDict
from yarl import URL

_KEEP_ALIVE_SECONDS = 15
_READ_BUFFER_BYTES = 2**18
_WRITE_BYTES = 2**18
# aiohttp has already undone these when the body reaches httpx.
_SETTLED_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection"})
_ADDED_BY_AIOHTTP = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class ResponseTooLargeError(Exception):
    """The answer is larger than `max_response_bytes`; it was not read to its end."""


class Transport(httpx.AsyncBaseTransport):
    """One pool of kept-alive connections. It must be made inside the running loop, and closed with `aclose`.

    The number of calls at a time is bounded by the jobs a worker runs, so the pool has no limit of its own.
    """

    def __init__(self, max_response_bytes: int) -> None:
        self._max_response_bytes = max_response_bytes
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS, ssl=httpx.create_ssl_context()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_READ_BUFFER_BYTES,
            skip_auto_headers=_ADDED_BY_AIOHTTP,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = [piece async for piece in request.stream] if isinstance(request.stream, httpx.AsyncByteStream) else []
        return self.answer(request, *await self.exchange(request, body))

    async def exchange(self, request: httpx.Request, body: list[bytes]) -> tuple[int, list[tuple[str, str]], bytes]:
        """Send `body` under the request's method, address and headers; the answer is whole when this returns."""
        headers = CIMultiDict(
            (name, value) for name, value in request.headers.items() if name not in {"host", "connection"}
        )
        size = sum(map(len, body))
        if size or request.method in {"POST", "PUT", "PATCH"}:
            headers["Content-Length"] = str(size)
        timeouts = request.extensions.get("timeout", {})
        try:
            async with self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=headers,
                data=_pieces(body) if size else None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeouts.get("read"), sock_connect=timeouts.get("connect")),
            ) as response:
                content = await self._read(response)
                return response.status, list(response.headers.items()), content
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _as_httpx(error, request) from error

    @staticmethod
    def answer(request: httpx.Request, status: int, headers: list[tuple[str, str]], content: bytes) -> httpx.Response:
        """The whole answer as httpx's response."""
        return httpx.Response(
            status,
            headers=[(name, value) for name, value in headers if name.lower() not in _SETTLED_HEADERS],
            stream=httpx.ByteStream(content),
            request=request,
        )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if response.content_length is not None and response.content_length > self._max_response_bytes:
            raise ResponseTooLargeError
        chunks: list[bytes] = []
        size = 0
        while chunk := await response.content.readany():
            size += len(chunk)
            if size > self._max_response_bytes:
                raise ResponseTooLargeError
            chunks.append(chunk)
        return b"".join(chunks)

    async def aclose(self) -> None:
        await self._session.close()


async def _pieces(body: list[bytes]) -> AsyncIterator[bytes | memoryview]:
    """The body in few writes, none so large that other calls wait long for their turn."""
    small: list[bytes] = []
    for part in body:
        if len(part) <= _WRITE_BYTES:
            small.append(part)
            continue
        yield b"".join(small)
        small.clear()
        view = memoryview(part)
        for start in range(0, len(part), _WRITE_BYTES):
            yield view[start : start + _WRITE_BYTES]
    yield b"".join(small)


def _as_httpx(error: Exception, request: httpx.Request) -> httpx.TransportError:
    kind: type[httpx.TransportError]
    match error:
        case aiohttp.ConnectionTimeoutError():
            kind = httpx.ConnectTimeout
        case aiohttp.ClientConnectorError():
            kind = httpx.ConnectError
        case TimeoutError():
            kind = httpx.ReadTimeout
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            kind = httpx.RemoteProtocolError
        case aiohttp.InvalidURL():
            kind = httpx.UnsupportedProtocol
        case _:
            kind = httpx.ReadError
    return kind(f"{type(error).__name__}: {error}", request=request)

"""Pictures go around google-genai instead of through it.

The client would turn a picture into base64, then JSON, and back, each time through Python objects. Here it carries a
short marker; the transport below it writes the picture, encoded once, where the marker stands in the request, and cuts
the pictures out of the answer, leaving markers for the client to parse. What goes over the wire is the same.
"""

import asyncio
import re
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

import httpx
import orjson
import pybase64

from worker.transport import Transport

# As bytes for the client, as the base64 that it writes for them. 24 bytes: no padding, the same in both alphabets.
SOURCE_MARKER: Final = b"sparky picture goes here"
_SOURCE_MARKER_TEXT: Final = pybase64.b64encode(SOURCE_MARKER)
_RESULT_MARKER: Final = b"sparky picture no. %06d "
_RESULT_KEY: Final = re.compile(rb'(?<!\\)"data"\s*:\s*"')
_SMALL_BYTES: Final = 1024


@dataclass(slots=True)
class Exchange:
    """What passes around the client in one call."""

    source: bytes
    results: list[memoryview] = field(default_factory=list)
    finish_message: str | None = None

    def result(self, data: bytes) -> bytes:
        """The picture that a part's `data` stands for. Raises `ValueError` when its base64 is broken."""
        for number, encoded in enumerate(self.results):
            if data == _RESULT_MARKER % number:
                return decode(encoded)
        return data


current_exchange: ContextVar[Exchange | None] = ContextVar("current_exchange", default=None)


class TurnGate:
    """Lets one task through per turn of the event loop.

    To build a request, or to read an answer, takes a millisecond or so. Hundreds of calls that begin, or end, in the
    same turn would hold the loop for as long as all of them together, and lease renewals with it.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def passed(self) -> None:
        async with self._lock:
            await asyncio.sleep(0)


class SplicingTransport(Transport):
    """The shared transport, with the pictures of the task's `current_exchange` spliced in and cut out."""

    def __init__(self, max_response_bytes: int, gate: TurnGate) -> None:
        super().__init__(max_response_bytes)
        self._gate = gate

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = current_exchange.get()
        if exchange is None:
            return await super().handle_async_request(request)
        status, headers, content = await self.exchange(request, spliced(await request.aread(), exchange.source))
        if status == 200:
            await self._gate.passed()
            content = cut(content, exchange)
        return self.answer(request, status, headers, content)


def spliced(body: bytes, source: bytes) -> list[bytes]:
    """The request's body with the encoded picture in the marker's place, in pieces: it is not copied."""
    head, marker, tail = body.partition(_SOURCE_MARKER_TEXT)
    return [head, pybase64.b64encode(source), tail] if marker else [body]


def cut(content: bytes, exchange: Exchange) -> bytes:
    """The answer with a marker in place of each long `data` string; those go to `exchange.results`, still encoded."""
    kept: list[bytes] = []
    position = 0
    view = memoryview(content)
    while key := _RESULT_KEY.search(content, position):
        end = content.find(b'"', key.end())
        if end < 0:
            break
        if end - key.end() > _SMALL_BYTES:
            kept += [content[position : key.end()], pybase64.b64encode(_RESULT_MARKER % len(exchange.results))]
            exchange.results.append(view[key.end() : end])
        else:
            kept.append(content[position:end])
        position = end
    rest = b"".join([*kept, content[position:]]) if position else content
    exchange.finish_message = _finish_message(rest)
    return rest


def decode(encoded: memoryview) -> bytes:
    """Base64 as Gemini may write it: either alphabet, with or without padding, with JSON's escapes."""
    try:
        return pybase64.b64decode(encoded, validate=True)
    except ValueError:
        text = str(orjson.loads(b'"%b"' % bytes(encoded))).rstrip("=").translate({ord("-"): "+", ord("_"): "/"})
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _finish_message(rest: bytes) -> str | None:
    """Why Gemini stopped, in its words; the client drops this field."""
    if b"finishMessage" not in rest:
        return None
    try:
        message = orjson.loads(rest)["candidates"][0]["finishMessage"]
    except (ValueError, LookupError, TypeError):
        return None
    return str(message)[:500]

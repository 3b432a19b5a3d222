"""`multipart/form-data` as the clients send it, streamed: small fields first, then one file."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from deploy.local.supabase.storage.errors import StorageError, invalid_request

MAX_FIELD_BYTES = 1_048_576
MAX_HEADER_BYTES = 16_384
BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?')


@dataclass
class Form:
    """What stands before the file, and the file's bytes, to be read once."""

    content_type: str
    content: AsyncIterator[bytes]
    fields: dict[str, str] = field(default_factory=dict)


async def read_form(content_type: str, stream: AsyncIterator[bytes]) -> Form:
    """Reads up to the start of the file. Raises `StorageError` for a form without one, or a broken one."""
    boundary = BOUNDARY.search(content_type)
    if boundary is None:
        raise invalid_request("multipart without a boundary")
    reader = _Reader(stream, b"\r\n--" + boundary.group(1).encode())
    await _skip(reader.until_delimiter())
    fields: dict[str, str] = {}
    while not await reader.at_end():
        headers = _headers(await reader.header_block())
        disposition = headers.get("content-disposition", "")
        content = reader.until_delimiter()
        if re.search(r";\s*filename\*?=", disposition):
            return Form(headers.get("content-type", "application/octet-stream"), content, fields)
        name = re.search(r';\s*name="([^"]*)"', disposition)
        fields[name.group(1) if name else ""] = (await _collect(content)).decode(errors="replace")
    raise invalid_request("the form holds no file")


class _Reader:
    def __init__(self, stream: AsyncIterator[bytes], delimiter: bytes) -> None:
        self._stream = stream
        self._delimiter = delimiter
        self._buffer = b"\r\n"  # the first delimiter has no line before it

    async def until_delimiter(self) -> AsyncIterator[bytes]:
        keep = len(self._delimiter) - 1
        while True:
            found = self._buffer.find(self._delimiter)
            if found >= 0:
                chunk, self._buffer = self._buffer[:found], self._buffer[found + len(self._delimiter) :]
                if chunk:
                    yield chunk
                return
            if len(self._buffer) > keep:
                chunk, self._buffer = self._buffer[:-keep], self._buffer[-keep:]
                yield chunk
            await self._more()

    async def at_end(self) -> bool:
        """Whether the delimiter just read closes the form."""
        while len(self._buffer) < 2:
            await self._more()
        return self._buffer.startswith(b"--")

    async def header_block(self) -> bytes:
        while (found := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEADER_BYTES:
                raise invalid_request("multipart header too large")
            await self._more()
        block, self._buffer = self._buffer[:found], self._buffer[found + 4 :]
        return block

    async def _more(self) -> None:
        try:
            self._buffer += await anext(self._stream)
        except StopAsyncIteration:
            raise invalid_request("Unexpected end of form") from None


async def _skip(content: AsyncIterator[bytes]) -> None:
    async for _ in content:
        pass


async def _collect(content: AsyncIterator[bytes]) -> bytes:
    collected = b""
    async for chunk in content:
        collected += chunk
        if len(collected) > MAX_FIELD_BYTES:
            raise StorageError(413, "Payload too large", "A field of the form is too large", "EntityTooLarge")
    return collected


def _headers(block: bytes) -> dict[str, str]:
    lines = block.decode(errors="replace").split("\r\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}

"""As much of PostgreSQL's wire protocol as it takes to recognise a settle and its answer."""

import asyncio
import struct
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(eq=False)
class Settle:
    """One `settle_generation` on its way to the server, and what came back; no answer: an error, or nothing."""

    generation: UUID
    fence: int
    answer: str | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)


async def startup(reader: asyncio.StreamReader) -> bytes:
    """The first message of a connection, which has no type. Raises IncompleteReadError at the end."""
    head = await reader.readexactly(4)
    return head + await reader.readexactly(struct.unpack("!i", head)[0] - 4)


async def message(reader: asyncio.StreamReader) -> bytes:
    """The next whole message. Raises IncompleteReadError at the end."""
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)


class Statements:
    """Knows the settle among a connection's prepared statements."""

    def __init__(self) -> None:
        self._names: set[bytes] = set()

    def settle_in(self, client_message: bytes) -> Settle | None:
        """The settle that this message of the client binds, if it binds one."""
        kind, body = client_message[:1], client_message[5:]
        if kind == b"P":
            name, query, _ = body.split(b"\0", 2)
            (self._names.add if b"settle_generation(" in query else self._names.discard)(name)
        elif kind == b"B":
            _, name, rest = body.split(b"\0", 2)
            if name in self._names:
                generation, fence, *_ = _parameters(rest)
                return Settle(UUID(bytes=generation), struct.unpack("!q", fence)[0])
        return None


def _parameters(rest: bytes) -> list[bytes]:
    """The values of a Bind, after its names."""
    (formats,) = struct.unpack_from("!h", rest)
    at = 2 + 2 * formats
    (count,) = struct.unpack_from("!h", rest, at)
    at += 2
    values: list[bytes] = []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", rest, at)
        at += 4
        values.append(rest[at : at + max(length, 0)])
        at += max(length, 0)
    return values


def first_column(data_row: bytes) -> str:
    """The text in the first column of a DataRow."""
    (length,) = struct.unpack_from("!i", data_row, 7)
    return data_row[11 : 11 + length].decode()

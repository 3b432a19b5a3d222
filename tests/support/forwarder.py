"""A TCP forwarder between a service and what it depends on, which a test can freeze and cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Forwarder:
    """Forwards to a port of 127.0.0.1. `sent` counts what clients sent, one for each burst of bytes."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.sent = 0
        self._refusing = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def freeze(self) -> None:
        """Connections stay and nothing comes through, as when a host hangs."""
        self._flowing.clear()

    def cut(self) -> None:
        """Connections end and new ones end at once, as when a server is gone."""
        self._refusing = True
        for task in self._tasks:
            task.cancel()

    def mend(self) -> None:
        """All is well again."""
        self._refusing = False
        self._flowing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if not self._refusing:
                await self._forward(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, back, count=True))
                group.create_task(self._copy(there, writer))
        finally:
            back.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, count: bool = False) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                self.sent += count
                writer.write(data)
                await writer.drain()
            writer.close()


@asynccontextmanager
async def forwarding(target: int) -> AsyncIterator[Forwarder]:
    """A forwarder that listens for as long as the block lasts."""
    forwarder = Forwarder(target)
    server = await asyncio.start_server(forwarder._connected, "127.0.0.1", 0)
    forwarder.port = server.sockets[0].getsockname()[1]
    try:
        yield forwarder
    finally:
        forwarder.cut()
        server.close()

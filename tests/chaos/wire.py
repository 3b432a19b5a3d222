"""The wire between the workers and Postgres: it fails at the worst moment, and is a witness of every settle."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from tests.chaos.messages import Settle, Statements, first_column, message, startup

OVERTAKE_SECONDS = 10.0
ANSWER_SECONDS = 3.0


class CutError(Exception):
    """This connection ends here and now."""


class Wire:
    """Forwards to Postgres at `target`. Each order is carried out on the next settle that any worker sends:

    `cut_before` (it never arrives), `cut_after` (committed, but the answer is lost), `overtake` (its worker freezes,
    and the settle waits until another attempt's is on its way and then arrives first).
    """

    def __init__(self, target: int, freeze: Callable[[str], None], thaw: Callable[[str], Awaitable[None]]) -> None:
        self.settles: list[Settle] = []
        self.done: dict[str, int] = {}
        self._target = target
        self._freeze, self._thaw = freeze, thaw
        self._orders: deque[str] = deque()
        self._overtaken: dict[UUID, tuple[Settle, asyncio.Event]] = {}
        self._open: set[asyncio.StreamWriter] = set()

    def order(self, what: str) -> None:
        self._orders.append(what)

    def mend(self) -> None:
        """No more orders; what is held goes on."""
        self._orders.clear()
        for _, released in self._overtaken.values():
            released.set()

    def cut_all(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    @asynccontextmanager
    async def listening(self, worker: str) -> AsyncIterator[int]:
        """The port at which this worker finds Postgres."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(OSError):  # Postgres is away
                there, back = await asyncio.open_connection("127.0.0.1", self._target)
                self._open |= {writer, back}
                connection = _Connection(self, worker)
                try:
                    back.write(await startup(reader))
                    async with asyncio.TaskGroup() as group:
                        group.create_task(connection.from_worker(reader, back))
                        group.create_task(connection.from_postgres(there, writer))
                except* (CutError, ConnectionError, asyncio.IncompleteReadError):
                    pass
                finally:
                    self._open -= {writer, back}
                    back.close()
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            self.mend()
            self.cut_all()
            server.close()

    async def settling(self, worker: str, settle: Settle) -> bool:
        """Before a settle goes on. True when its answer is to be lost; raises CutError when it is itself."""
        self.settles.append(settle)
        earlier = self._overtaken.get(settle.generation)
        if earlier is not None and earlier[0].fence < settle.fence:
            earlier[1].set()
            with suppress(TimeoutError):
                await asyncio.wait_for(earlier[0].over.wait(), ANSWER_SECONDS)
            return False
        order = self._orders.popleft() if self._orders else ""
        if order:
            self.done[order] = self.done.get(order, 0) + 1
        if order == "cut_before":
            raise CutError
        if order == "overtake":
            await self._wait_to_be_overtaken(worker, settle)
        return order == "cut_after"

    async def _wait_to_be_overtaken(self, worker: str, settle: Settle) -> None:
        released = asyncio.Event()
        self._overtaken[settle.generation] = settle, released
        self._freeze(worker)
        with suppress(TimeoutError):
            await asyncio.wait_for(released.wait(), OVERTAKE_SECONDS)
            self.done["overtaken"] = self.done.get("overtaken", 0) + 1

    async def settled(self, worker: str, settle: Settle) -> None:
        """After a settle's answer, or its failure."""
        settle.over.set()
        held = self._overtaken.get(settle.generation)
        if held is not None and held[0] is settle:
            del self._overtaken[settle.generation]
            await self._thaw(worker)


class _Connection:
    def __init__(self, wire: Wire, worker: str) -> None:
        self._wire, self._worker = wire, worker
        self._statements = Statements()
        self._settle: Settle | None = None
        self._lose_answer = False

    async def from_worker(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                sent = await message(reader)
                settle = self._statements.settle_in(sent)
                if settle is not None:
                    self._settle = settle
                    self._lose_answer = await self._wire.settling(self._worker, settle)
                writer.write(sent)
                await writer.drain()
        except asyncio.IncompleteReadError:  # the worker is gone; what it sent before still counts
            if self._settle is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._settle.over.wait(), ANSWER_SECONDS)
            raise

    async def from_postgres(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                answer = await message(reader)
                kind = answer[:1]
                if self._settle is not None and kind == b"D":
                    self._settle.answer = first_column(answer)
                if not self._lose_answer and not writer.is_closing():
                    with suppress(ConnectionError):  # the worker is gone, but its settle is still to be seen
                        writer.write(answer)
                        await writer.drain()
                if self._settle is not None and kind == b"Z":
                    settle, self._settle = self._settle, None
                    await self._wire.settled(self._worker, settle)
                    if self._lose_answer:
                        raise CutError
        finally:
            if self._settle is not None:
                await self._wire.settled(self._worker, self._settle)

"""Waiting for generations to finish: one poller a process, at work only while somebody waits.

However many clients wait, the database is asked once every 100 ms about all of them. The truth is in the rows, so a
result is seen whoever wrote it. While the database is away the poller goes on asking, for as long as anybody has time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog
from starlette.types import Receive

log = structlog.get_logger()

POLL_SECONDS = 0.1
POLL_SECONDS_AFTER_ERROR = 1.0


class Finishes:
    """Who waits for what. `finished` says which of these generations are terminal, or gone."""

    def __init__(self, finished: Callable[[list[UUID]], Awaitable[list[UUID]]]) -> None:
        self._finished = finished
        self._waiting: dict[UUID, set[asyncio.Future[None]]] = {}
        self._poller: asyncio.Task[None] | None = None
        self._closing = False

    async def wait(self, generation_id: UUID, seconds: float, receive: Receive) -> None:
        """Return when the generation is finished, the seconds are over, the client is gone or the process ends.

        `receive` is the request's, its body already read, so that what it brings next is the client's leaving.
        """
        if self._closing or seconds <= 0:
            return
        finish: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        leaving = asyncio.ensure_future(_gone(receive))
        self._waiting.setdefault(generation_id, set()).add(finish)
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        try:
            await asyncio.wait({finish, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            waiting = self._waiting[generation_id]
            waiting.discard(finish)
            if not waiting:
                del self._waiting[generation_id]

    async def close(self) -> None:
        """Let everybody go at once; nobody can wait any more."""
        self._closing = True
        self._release(list(self._waiting))
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    async def _poll(self) -> None:
        pause = POLL_SECONDS
        try:
            while True:
                await asyncio.sleep(pause)
                if not self._waiting:
                    return
                pause = POLL_SECONDS
                try:
                    self._release(await self._finished(list(self._waiting)))
                except Exception as error:  # whatever it is, those who wait have a time limit of their own
                    log.warning("finish_poll_failed", error=type(error).__name__)
                    pause = POLL_SECONDS_AFTER_ERROR
        finally:
            self._poller = None

    def _release(self, generation_ids: list[UUID]) -> None:
        for generation_id in generation_ids:
            for finish in self._waiting.get(generation_id, ()):
                if not finish.done():
                    finish.set_result(None)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

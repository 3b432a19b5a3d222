"""Committing how jobs ended, in groups: whatever ends while one commit is under way shares the next."""

import asyncio
from contextlib import suppress

import structlog

from worker.checkpoints import Checkpoint
from worker.leasing.leases import Finish, Leases
from worker.outage import REDIS_AWAY, Outage

GROUP = 200

log = structlog.get_logger()


class Finisher:
    """Nothing handed to `add` is forgotten while the process lives: it is kept and tried again while Redis is away."""

    def __init__(self, leases: Leases, checkpoint: Checkpoint) -> None:
        self._leases = leases
        self._checkpoint = checkpoint
        self._pending: list[Finish] = []
        self._work = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def pending(self) -> int:
        return len(self._pending)

    def add(self, finish: Finish) -> None:
        """Commit this soon, in the order of the calls."""
        self._pending.append(finish)
        self._work.set()
        self._empty.clear()

    async def run(self) -> None:
        """Commit for ever; ended by cancelling it."""
        outage = Outage("finish")
        while True:
            await self._work.wait()
            group = self._pending[:GROUP]
            await self._checkpoint("before_finish")
            try:
                stale = await self._leases.finish(group)
            except REDIS_AWAY as error:
                outage.failed(error)
                await outage.pause()
                continue
            outage.over()
            for finish in group:
                if finish.job.token in stale:
                    log.warning("job_finish_stale", job_id=finish.job.job_id)
                if finish.committed:
                    finish.committed.set()
            del self._pending[: len(group)]
            if not self._pending:
                self._work.clear()
                self._empty.set()

    async def drain(self, seconds: float) -> None:
        """Wait until all is committed, at most `seconds`: what is left is due again when its lease ends."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), seconds)

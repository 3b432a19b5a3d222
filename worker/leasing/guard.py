"""Keeping leases while the event loop is stalled, by something that does not run in it.

A stall longer than a lease would start every running job a second time elsewhere. A thread that has a loop of its own
takes over the renewals then, for a while: a loop that does not come back must not keep its jobs for ever. It cannot
help where the whole process stands still; what runs twice then is settled once, by its fence.
"""

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Final

import structlog

from worker.leasing.execution import Running
from worker.leasing.leases import Leases
from worker.leasing.renewals import Leasing
from worker.outage import REDIS_AWAY, Outage

LEASES_HELD: Final = 6  # a minute with the default lease
CHECKS_PER_RENEWAL: Final = 3

log = structlog.get_logger()


class StallGuard:
    """Call `turned` whenever the event loop had a turn, from within it."""

    def __init__(self, queue_name: str, worker_id: str, leasing: Leasing, running: Mapping[str, Running]) -> None:
        self._queue_name = queue_name
        self._worker_id = worker_id
        self._leasing = leasing
        self._running = running
        self._turned_at = time.monotonic()
        # Late for a renewal, and early enough for several tries before the lease ends.
        self._stalled_after = (leasing.renew_seconds + leasing.lease_seconds) / 2
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="stall-guard", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def turned(self) -> None:
        self._turned_at = time.monotonic()

    async def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._watch())
        finally:
            self._loop.close()

    async def _watch(self) -> None:
        pool = self._leasing.open_pool()
        leases = Leases(pool, self._queue_name, self._worker_id, self._leasing.lease_seconds)
        outage, known = Outage("stalled_renewal"), False
        while not await self._stops_within(self._leasing.renew_seconds / CHECKS_PER_RENEWAL):
            late = time.monotonic() - self._turned_at
            if not self._stalled_after <= late < self._leasing.lease_seconds * LEASES_HELD:
                known = False
                continue
            if not known:
                log.error("event_loop_stalled", worker=self._worker_id, seconds=round(late, 1))
            known = True
            try:
                await leases.renew([running.job for running in list(self._running.values())])
                outage.over()
            except REDIS_AWAY as error:
                outage.failed(error)
        await pool.aclose(close_connection_pool=True)

    async def _stops_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._stopping.wait()
        except TimeoutError:
            return False

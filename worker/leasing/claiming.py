"""Taking jobs for free slots and starting them: from the first claim to the signal that ends it."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog

from worker.leasing.execution import Running, execute
from worker.leasing.leases import Claimed, Leases
from worker.outage import REDIS_AWAY, Outage

if TYPE_CHECKING:
    from worker.leasing.worker import LeasedWorker

# The most jobs in one claim, so that one worker does not take what others would start sooner: a quarter of its slots,
# and not so few that the round trips count.
CLAIM_SHARE: Final = 4
SMALLEST_BATCH: Final = 64
STARTS_PER_TURN: Final = 8  # so that a large claim does not hold up the event loop

log = structlog.get_logger()


class Claiming:
    """`run` ends when `stop` was called, or in burst mode when there is nothing left to do."""

    def __init__(self, worker: "LeasedWorker", leases: Leases) -> None:
        self._worker = worker
        self._leases = leases
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        self._stopping.set()
        self._changed.set()

    def slot_freed(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        outage = Outage("claim")
        while not self.stopping and not self._burst_over():
            slots = self._slots()
            if slots < 1:
                self._changed.clear()
                await self._changed.wait()
                continue
            try:
                emptied = await self._fill(slots)
            except REDIS_AWAY as error:
                outage.failed(error)
                await outage.pause()
            else:
                outage.over()
                if self._worker.burst and emptied:
                    return
        if self._worker.tasks and not self.stopping:
            await asyncio.wait(self._worker.tasks.values())

    async def withdraw(self) -> None:
        """Be idle no more; what was handed over meanwhile goes back at once. Raises what Redis raises."""
        self.stop()
        await self._start((await self._leases.claim(0)).jobs)

    async def _fill(self, slots: int) -> bool:
        """One claim, and unless it left work behind the wait for more. True when the queue holds nothing at all."""
        poll = self._worker.poll_delay_s
        claim = await self._leases.claim(slots, poll)
        for key in claim.dropped:
            log.warning("job_dropped", job_id=key.decode(errors="backslashreplace"), reason="payload_missing")
        await self._start(claim.jobs)
        if claim.idle and not (self._worker.burst and claim.queued == 0):
            job = await self._leases.wait_for_job(min(claim.next_due or poll, poll))
            await self._start([job] if job else [])
        return claim.queued == 0

    async def _start(self, jobs: list[Claimed]) -> None:
        if jobs:
            await self._worker.leasing.checkpoint("after_claim")
        for number, job in enumerate(jobs, start=1):
            if self.stopping:
                self._worker.give_back(job)
                continue
            running = Running(job)
            running.task = self._worker.loop.create_task(execute(self._worker, running))
            running.task.add_done_callback(partial(self._worker.ended, running))
            self._worker.running[job.token] = running
            self._worker.tasks[job.token] = running.task
            if number % STARTS_PER_TURN == 0 or number == len(jobs):
                await asyncio.sleep(0)  # jobs begin before the next claim is prepared

    def _slots(self) -> int:
        worker = self._worker
        batch = max(worker.max_jobs // CLAIM_SHARE, SMALLEST_BATCH)
        slots = min(worker.max_jobs - len(worker.running), batch)
        if worker.burst and worker.max_burst_jobs >= 0:
            slots = min(slots, worker.max_burst_jobs - worker._jobs_started())
        return slots

    def _burst_over(self) -> bool:
        worker = self._worker
        return worker.burst and 0 <= worker.max_burst_jobs <= worker._jobs_started()

"""What arq's worker does beside its jobs: the health key, cron jobs, and the aborts that producers ask for."""

import asyncio
from typing import TYPE_CHECKING

from arq.constants import abort_job_max_age, abort_jobs_ss
from arq.utils import timestamp_ms

from worker.outage import REDIS_AWAY, Outage

if TYPE_CHECKING:
    from worker.leasing.worker import LeasedWorker


async def keep_up(worker: "LeasedWorker") -> None:
    """Every `poll_delay`, for ever; ended by cancelling it. Redis being away is waited out."""
    outage = Outage("upkeep")
    while True:
        try:
            await worker.heart_beat()
            if worker.allow_abort_jobs:
                await _cancel_aborted_jobs(worker)
            outage.over()
        except REDIS_AWAY as error:
            outage.failed(error)
            await outage.pause()
        await asyncio.sleep(worker.poll_delay_s)


async def _cancel_aborted_jobs(worker: "LeasedWorker") -> None:
    """A request for a job that is not there is forgotten after a minute."""
    await worker.pool.zremrangebyscore(abort_jobs_ss, "-inf", timestamp_ms() - abort_job_max_age * 1000)
    asked = set(await worker.pool.zrange(abort_jobs_ss, 0, -1))
    for running in list(worker.running.values()):
        if running.job.key in asked:
            running.aborted = True
            running.cancel()
            await worker.pool.zrem(abort_jobs_ss, running.job.key)

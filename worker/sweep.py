"""The net under the queue, in every worker: expires what waited too long, puts back what the queue lost, removes what
nobody needs.

Postgres hands each row to one sweep at a time, so any number of workers may sweep at once.
"""

import asyncio
import random
from datetime import timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

import structlog
from arq import ArqRedis

from schemas.queue import QueuedJob, enqueue
from worker.accounts import Departures
from worker.housekeeping import Housekeeping
from worker.metrics import SWEPT
from worker.outage import Outage
from worker.photo_retention import PhotoRetention
from worker.resources import Resources

EPOCH: Final = "sparky:epoch"
"""A key that only an emptied Redis lacks."""
REMOVAL_PAGE: Final = 100

log = structlog.get_logger()


class Sweep:
    """Runs beside the jobs, on the same resources."""

    def __init__(self, resources: Resources, queue: ArqRedis) -> None:
        self._resources = resources
        self._settings = resources.settings
        self._database = resources.database
        self._queue = queue
        steps = (
            self.expire,
            self.requeue,
            self.remove,
            Housekeeping(resources.database).upkeep,
            Departures(resources).accounts,
            PhotoRetention(resources.database, resources.storage).photos,
        )
        self._steps = {Outage(f"sweep_{step.__name__}"): step for step in steps}

    async def run(self) -> None:
        """Sweep for ever, about every `WORKER_SWEEP_SECONDS`; ended by cancelling it."""
        while True:
            await self.once()
            await asyncio.sleep(self._settings.worker_sweep_seconds * random.uniform(0.75, 1.25))  # noqa: S311

    async def once(self) -> None:
        """One round. A step that fails is logged, tried again in the next round, and does not stop the others."""
        for outage, step in self._steps.items():
            try:
                await step()
                outage.over()
            except Exception as error:  # Postgres, Redis or Storage is away, each in its own way
                outage.failed(error)

    async def expire(self) -> None:
        """Fail what has been queued for longer than `QUEUED_MAX_AGE_SECONDS`."""
        page, age = self._settings.worker_sweep_page, timedelta(seconds=self._settings.queued_max_age_seconds)
        expired = page
        while expired == page:
            expired = await self._database.fetchval("select sparky.expire_generations($1, $2)", age, page)
            if expired:
                SWEPT.labels("expired").inc(expired)
                log.info("generations_expired", count=expired)

    async def requeue(self) -> None:
        """Put into the queue what should be there; everything that is open when Redis was emptied."""
        emptied = not await self._queue.exists(EPOCH)
        if emptied:
            log.warning("queue_found_empty")
            await self._database.execute("select sparky.reset_sweep()")
        page = self._settings.worker_sweep_page
        while await self._requeue_page(page) == page:
            pass
        if emptied:
            await self._queue.set(EPOCH, 1)

    async def _requeue_page(self, page: int) -> int:
        """One transaction: rows whose enqueueing failed stay due."""
        async with self._database.acquire() as connection, connection.transaction():
            rows = await connection.fetch("select id, cache_key, lane, due_at from sparky.due_generations($1)", page)
            jobs = [QueuedJob(row["cache_key"], row["id"], row["due_at"], row["lane"]) for row in rows]
            await enqueue(self._queue, jobs)
        if rows:
            SWEPT.labels("requeued").inc(len(rows))
            log.info("generations_requeued", count=len(rows))
        return len(rows)

    async def remove(self) -> None:
        """Delete objects of generations that ended without them."""
        ledger, storage = self._resources.ledger, self._resources.storage
        removals = await ledger.due_removals(REMOVAL_PAGE)
        while removals:
            by_bucket = attrgetter("bucket")
            for bucket, group in groupby(sorted(removals, key=by_bucket), by_bucket):
                objects = list(group)
                await storage.remove(bucket, [removal.object_name for removal in objects])
                await ledger.removed_objects([removal.id for removal in objects])
                SWEPT.labels("removed").inc(len(objects))
                log.info("objects_removed", bucket=bucket, count=len(objects))
            removals = await ledger.due_removals(REMOVAL_PAGE) if len(removals) == REMOVAL_PAGE else []

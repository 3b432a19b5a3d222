"""This worker's row in Postgres: while it is renewed, nobody else starts what this worker runs."""

import asyncio
from datetime import timedelta
from typing import Any

from schemas.settings import Settings
from worker.metrics import JOBS_RUNNING
from worker.resources import RESOURCES, Resources


def alive_for(settings: Settings) -> timedelta:
    """How long one heartbeat lasts: less than a lease by one renewal, and a little for delays.

    The last heartbeat may come a whole renewal after the last lease; both have then run out when a job is taken over.
    Raises ValueError when the next heartbeat might come too late.
    """
    if settings.worker_lease_seconds < 2.5 * settings.worker_renew_seconds:
        raise ValueError("WORKER_LEASE_SECONDS must be at least 2.5 times WORKER_RENEW_SECONDS")
    return timedelta(seconds=(settings.worker_lease_seconds - settings.worker_renew_seconds) * 0.95)


async def beat(ctx: dict[Any, Any], running: int) -> None:
    """Stay alive in Postgres. Raises what asyncpg raises, and TimeoutError soon enough for the lease to be renewed."""
    resources: Resources = ctx[RESOURCES]
    settings = resources.settings
    JOBS_RUNNING.set(running)
    async with asyncio.timeout(settings.worker_renew_seconds / 2):
        await resources.database.execute(
            "select sparky.heartbeat($1, $2, $3, $4)",
            resources.worker,
            alive_for(settings),
            settings.worker_max_jobs,
            running,
        )


async def retire(resources: Resources) -> None:
    """At a clean stop: whatever could not be handed back is due at once. Raises what asyncpg raises."""
    async with asyncio.timeout(resources.settings.worker_renew_seconds):
        await resources.database.execute("select sparky.retire_worker($1)", resources.worker)

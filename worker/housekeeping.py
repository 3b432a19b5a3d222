"""Upkeep that pg_cron does where it is available: old cache entries and notifications go, monthly credits come.

Any number of workers may call this at once. Postgres keeps the list of tasks, leaves out those that pg_cron owns and
hands each of the others to one worker at a time, a bounded batch in a transaction of its own.
"""

import random
import time
from typing import Final

import structlog

from schemas.database import Database
from worker.metrics import SWEPT

EVERY_SECONDS: Final = 60.0
"""How often a worker asks what is due; the tasks themselves come every few minutes or once a day."""

log = structlog.get_logger()


class Housekeeping:
    """One worker's part of the fleet's upkeep."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next = time.monotonic()

    async def upkeep(self) -> None:
        """One batch of what is due, if anything is; called again and again, about once a minute while nothing is.

        One batch, so that a long backlog does not keep the sweep from its other steps. Raises what asyncpg raises.
        """
        if time.monotonic() < self._next:
            return
        # Set before the call: one that fails by its deadline would otherwise hold up every round of the sweep.
        self._next = time.monotonic() + EVERY_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311
        row = await self._database.fetchrow("select task, affected, failure from sparky.run_upkeep()")
        if row is None:
            return
        self._next = time.monotonic()
        if row["failure"] is not None:
            log.error("upkeep_failed", task=row["task"], error=row["failure"])
        elif row["affected"]:
            SWEPT.labels(row["task"]).inc(row["affected"])
            log.info("upkeep_done", task=row["task"], rows=row["affected"])

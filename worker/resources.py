"""What the pipeline works with, opened once per process and closed with it."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from schemas.database import Database, open_database
from schemas.queue import open_queue
from schemas.settings import Settings
from worker.checkpoints import Checkpoint, checkpoint
from worker.gemini import open_gemini
from worker.ledger import Ledger
from worker.limits import LimitedGemini, Limits
from worker.people import People, open_people
from worker.storage import Storage, open_storage

RESOURCES: Final = "resources"
"""The key in arq's `ctx`."""


@dataclass(frozen=True, slots=True)
class Resources:
    settings: Settings
    worker: str
    database: Database
    ledger: Ledger
    storage: Storage
    people: People
    gemini: LimitedGemini
    checkpoint: Checkpoint
    closing: AsyncExitStack


async def open_resources(settings: Settings, worker: str) -> Resources:
    """Open everything; `worker` is this process's own name, under which its attempts run.

    Raises `ValueError` when the Gemini key is missing, and what `open_database` raises; nothing stays open then.
    """
    async with AsyncExitStack() as stack:
        gemini = open_gemini(settings)
        stack.push_async_callback(gemini.close)
        redis = open_queue(settings)
        stack.push_async_callback(redis.aclose, close_connection_pool=True)
        storage = await open_storage(settings)
        stack.push_async_callback(storage.close)
        people = await open_people(settings)
        stack.push_async_callback(people.close)
        database = await open_database(settings)
        stack.push_async_callback(database.close)
        return Resources(
            settings=settings,
            worker=worker,
            database=database,
            ledger=Ledger(database, settings, worker),
            storage=storage,
            people=people,
            gemini=LimitedGemini(gemini, Limits(redis, settings), settings),
            checkpoint=checkpoint(settings.worker_crash_point),
            closing=stack.pop_all(),
        )


async def close_resources(resources: Resources) -> None:
    """Close what `open_resources` opened. Jobs must have ended."""
    await resources.closing.aclose()

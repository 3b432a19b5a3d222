"""Removes photos that were kept for as long as the operator set (`sparky.operator_settings.keep_photos`, 30 days)."""

from typing import Final

import structlog

from schemas.database import Database
from worker.metrics import SWEPT
from worker.storage import SOURCES, Storage

PAGE: Final = 500

log = structlog.get_logger()


class PhotoRetention:
    """One worker's part in the search for old photos."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage

    async def photos(self) -> None:
        """One page of the search, which Postgres hands to one worker at a time; an hour's rest follows each round.

        What could not be removed is found again by the next round. Raises when Postgres or Storage is away.
        """
        rows = await self._database.fetch("select * from sparky.due_photos($1)", PAGE)
        if rows:
            await self._storage.remove(SOURCES, [row[0] for row in rows])
            SWEPT.labels("photo").inc(len(rows))
            log.info("old_photos_removed", count=len(rows))

"""Deletes the accounts whose users left: their work, their files, their rows, and last the users themselves.

A worker may die at any instruction: every step may be repeated, what comes next is read from what is there, and the
deletion is due again when its lease has run out. Files go through Storage before the rows that name them do.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from worker.metrics import SWEPT
from worker.resources import Resources

ACCOUNTS_AT_A_TIME: Final = 5
STEPS_AT_A_TIME: Final = 20
"""Of one account in one round, so that a large one does not keep the sweep from its other steps."""
FILES_AT_A_TIME: Final = 100
LEASES: Final = 3
"""How many leases of a job one of a deletion lasts: its calls to Storage and Auth may take their time."""

log = structlog.get_logger()


class Departures:
    """One worker's part in deleting accounts."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._database = resources.database

    async def accounts(self) -> None:
        """Take each deletion that is due as far as it goes. Raises when Postgres, Storage or Auth is away."""
        lease = timedelta(seconds=LEASES * self._resources.settings.worker_lease_seconds)
        rows = await self._database.fetch("select * from sparky.due_deletions($1, $2)", lease, ACCOUNTS_AT_A_TIME)
        for row in rows:
            await self._carry_on(row[0])

    async def _carry_on(self, user: UUID) -> None:
        reached = self._resources.checkpoint
        for _ in range(STEPS_AT_A_TIME):
            match await self._advance(user):
                case "files":
                    await reached("after_deletion_work")
                    await self._remove_files(user)
                    await reached("after_deletion_files")
                case "rows":
                    pass
                case "person":
                    await reached("after_deletion_rows")
                    await self._resources.people.remove(user)
                    await reached("after_deletion_person")
                    if await self._database.fetchval("select sparky.deletion_done($1)", user):
                        SWEPT.labels("account").inc()
                        log.info("account_deleted", user_id=str(user))
                    return
                case _:  # work still runs, or another worker has ended it
                    return

    async def _advance(self, user: UUID) -> str:
        return str(await self._database.fetchval("select sparky.advance_deletion($1)", user))

    async def _remove_files(self, user: UUID) -> None:
        """One page of the user's files, of both buckets."""
        rows = await self._database.fetch("select * from sparky.account_objects($1, $2)", user, FILES_AT_A_TIME)
        for bucket in sorted({row["bucket"] for row in rows}):
            names = [row["object_name"] for row in rows if row["bucket"] == bucket]
            await self._resources.storage.remove(bucket, names)
            log.info("account_files_removed", user_id=str(user), bucket=bucket, count=len(names))

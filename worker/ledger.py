"""The worker's calls into Postgres about attempts: the only place that moves a generation's state or money from here.

Every call is waited out while the database is away (restarted, failing over, out of connections): it is repeated with
backoff until it is answered or the caller is cancelled. Repeating is safe: settling twice with one fence answers
`already_settled`, failing twice `already_failed`, deferring twice `stale`, and starting again only raises the fence.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import asyncpg
import structlog

from schemas.database import Database
from schemas.settings import Settings

log: structlog.stdlib.BoundLogger = structlog.get_logger()

_AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,  # the server ended the connection just as it was taken into use
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 3.0
# What may pass between the end of an attempt's work and its last call here; only then is it anybody's.
_ENDING_SECONDS = 30.0

Settled = Literal["settled", "already_settled", "stale"]
Failed = Literal["failed", "already_failed", "stale"]
Deferred = Literal["deferred", "stale"]
Saved = Literal["saved", "stale"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """All that an attempt needs, as `start_generation` hands it out. `failures` counts the codes of earlier tries."""

    id: str
    fence: int
    tries: int
    user_id: str
    tool_id: str
    tool_type: Literal["TRANSFORMATION", "FILTER", "ANALYSIS"]
    parameters: dict[str, object]
    style_name: str | None
    source_path: str
    source_etag: str
    source_size: int
    model: str
    object_name: str
    failures: dict[str, int]
    draft: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class Removal:
    """An object that nobody needs any more. It is ours to remove for a minute."""

    id: int
    bucket: str
    object_name: str


class Ledger:
    """The calls of one worker process, which signs its attempts as `worker`."""

    def __init__(self, database: Database, settings: Settings, worker: str) -> None:
        self._database = database
        self._settings = settings
        self._worker = worker

    async def start(self, generation_id: str) -> Attempt | None:
        """Begin an attempt; none when there is nothing to do."""
        rows = await self._call(
            "select * from sparky.start_generation($1, $2, $3, $4)",
            generation_id,
            self._worker,
            self._settings.worker_max_tries,
            timedelta(seconds=self._settings.worker_attempt_seconds + _ENDING_SECONDS),
        )
        if not rows:
            return None
        row = dict(rows[0])
        return Attempt(id=generation_id, **{**row, "user_id": str(row["user_id"])})

    async def settle(self, attempt: Attempt, result: dict[str, object] | None, usage: dict[str, object]) -> Settled:
        """The attempt succeeded: charge, publish and notify. `result` is an analysis; a picture has none."""
        answer: Settled = await self._answer(
            "select sparky.settle_generation($1, $2, $3, $4, $5)",
            attempt.id,
            attempt.fence,
            result,
            timedelta(seconds=self._settings.cache_ttl_seconds),
            usage,
        )
        return answer

    async def fail(self, attempt: Attempt, code: str, message: str) -> Failed:
        """The generation ends without a result: the hold is voided."""
        answer: Failed = await self._answer(
            "select sparky.fail_generation($1, $2, $3, $4)", attempt.id, attempt.fence, code, message
        )
        return answer

    async def defer(self, attempt: Attempt, delay: float, code: str, *, count_try: bool) -> Deferred:
        """Another attempt is due in `delay` seconds; the hold stays."""
        answer: Deferred = await self._answer(
            "select sparky.defer_generation($1, $2, $3, $4, $5)",
            attempt.id,
            attempt.fence,
            datetime.now(UTC) + timedelta(seconds=delay),
            code,
            count_try,
        )
        return answer

    async def save_draft(self, attempt: Attempt, result: dict[str, object]) -> Saved:
        """Keep an analysis that is paid for, should this attempt not live to settle it."""
        answer: Saved = await self._answer("select sparky.save_draft($1, $2, $3)", attempt.id, attempt.fence, result)
        return answer

    async def due_removals(self, limit: int) -> list[Removal]:
        """Objects to delete, leased to this caller for a minute."""
        rows = await self._call("select * from sparky.due_removals($1)", limit)
        return [Removal(**dict(row)) for row in rows]

    async def removed_objects(self, ids: Sequence[int]) -> None:
        """These objects are gone."""
        await self._call("select sparky.removed_objects($1)", list(ids))

    async def _answer(self, statement: str, *arguments: object) -> Any:
        return (await self._call(statement, *arguments))[0][0]

    async def _call(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                return await self._database.fetch(statement, *arguments)
            except (*_AWAY, asyncpg.InterfaceError) as error:
                if self._database.is_closing() or not _is_away(error):
                    raise
                log.warning("database_away", error=type(error).__name__, wait_seconds=round(wait, 2))
            await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)


def _is_away(error: Exception) -> bool:
    """asyncpg has one exception for a connection that was closed under its user and for arguments that are wrong."""
    if isinstance(error, asyncpg.InterfaceError):
        return type(error) is asyncpg.InterfaceError and "closed" in str(error)
    return True

"""The queue as both sides see it: arq's keys and payloads, one way to open it and one to put work in.

A job's id is its generation's cache key and its only argument the generation's id, so that equal requests meet in the
queue too. Redis is the wake-up, Postgres the truth: whatever fails to be enqueued here is found by the sweep.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from arq import ArqRedis
from arq.connections import RedisSettings
from arq.constants import default_queue_name
from arq.jobs import serialize_job
from arq.utils import timestamp_ms, to_unix_ms
from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection, parse_url

from schemas.scripts import Argument, Script
from schemas.settings import Settings

RUN_GENERATION: Final = "run_generation"
CONNECTIONS: Final = 50

# Lanes, the most important first, each a sorted set of its own. Free work waits where stock arq producers put theirs;
# what a paying user has in flight beyond ten is bulk.
LANE_SUFFIXES: Final = {"paid": ":paid", "free": "", "bulk": ":bulk"}
IDLE_SUFFIX: Final = ":idle"

_LANE_INDEX: Final = {lane: index for index, lane in enumerate(LANE_SUFFIXES, start=1)}
_ENQUEUE: Final = Script("schemas", "enqueue")

deserialize: Final[Callable[[bytes], dict[str, Any]]] = orjson.loads


class _Pool(BlockingConnectionPool):
    async def get_connection(self, *arguments: Any, **options: Any) -> AbstractConnection:
        """Without its lock and its timer while a connection is free, which is nearly always."""
        if not self._available_connections:
            connection: AbstractConnection = await super().get_connection(*arguments, **options)
            return connection
        connection = self.get_available_connection()  # type: ignore[no-untyped-call]
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        """Instead of redis-py's trial read before every command, which costs as much as the command."""
        reader = connection._reader
        if reader is not None and reader.at_eof():
            await connection.disconnect()
        await connection.connect()  # type: ignore[no-untyped-call]


class QueuedJob(NamedTuple):
    """One generation to be run: `due_at` None means now, `lane` is as SQL answers it."""

    cache_key: str
    generation_id: UUID | str
    due_at: datetime | None
    lane: str


def serialize(payload: dict[str, Any]) -> bytes:
    """arq's job or result as JSON. What JSON cannot say, an exception for one, becomes its text."""
    return orjson.dumps(payload, default=str)


def lane_keys(queue_name: str = default_queue_name) -> list[str]:
    """The lanes' sorted sets, the most important first."""
    return [queue_name + suffix for suffix in LANE_SUFFIXES.values()]


def open_queue(settings: Settings) -> ArqRedis:
    """A client of the queue; it connects when first used. Each call has `REDIS_TIMEOUT_SECONDS`.

    Calls raise `redis.RedisError` or `OSError` when Redis is away, and work again as soon as it is back.
    """
    seconds = settings.redis_timeout_seconds
    pool = _Pool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=CONNECTIONS,
        timeout=seconds,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        socket_keepalive=True,
    )
    return ArqRedis(pool, job_serializer=serialize, job_deserializer=deserialize)


def arq_settings(settings: Settings) -> RedisSettings:
    """The same address for arq's own use: `arq --check`, stock producers."""
    url = settings.redis_url.get_secret_value()
    parts = parse_url(url)
    return RedisSettings(
        host=parts.get("host", "localhost"),
        port=parts.get("port", 6379),
        unix_socket_path=parts.get("path"),
        database=parts.get("db", 0),
        username=parts.get("username"),
        password=parts.get("password"),
        ssl=url.startswith("rediss://"),
    )


async def enqueue(queue: ArqRedis, jobs: Sequence[QueuedJob]) -> None:
    """Put one or many jobs in, in one round trip, all or none; repeating it is harmless.

    A job that is there already gets the new payload and can only become due earlier; one that is running
    starts again when it ends; one that is due goes straight to an idle worker. Raises `redis.RedisError` or
    `OSError` when Redis is away.
    """
    if not jobs:
        return
    now = timestamp_ms()
    arguments: list[Argument] = [queue.expires_extra_ms]
    for job in jobs:
        payload = serialize_job(
            RUN_GENERATION, (str(job.generation_id),), {}, None, now, serializer=queue.job_serializer
        )
        due = 0 if job.due_at is None else to_unix_ms(job.due_at)
        arguments += [job.cache_key, _LANE_INDEX[job.lane], due, payload]
    name = queue.default_queue_name
    await _ENQUEUE(queue, [name + IDLE_SUFFIX, *lane_keys(name)], arguments)

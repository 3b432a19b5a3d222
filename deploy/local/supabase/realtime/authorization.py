"""Who may listen and send on a private channel: the real policies on `realtime.messages` decide.

A message is tried in a transaction under the caller's role that is always rolled back. Listening means that a
broadcast on the topic would be visible to the caller, sending that the caller could insert one.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import asyncpg
import orjson
import structlog

from deploy.local.supabase.realtime.catalogue import Pool
from deploy.local.supabase.realtime.outage import OUTAGES

log = structlog.get_logger()

Pooled: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
DEADLINE_MS = 3000

_PROBE = """
insert into realtime.messages (topic, extension, event, payload, private)
values ($1, 'broadcast', '', '{}', true)
"""
_BECOME = """
select set_config('role', $1, true), set_config('request.jwt.claims', $2, true),
       set_config('realtime.topic', $3, true), set_config('statement_timeout', $4, true)
"""


async def may_listen(pool: Pool, claims: Mapping[str, Any], topic: str) -> bool:
    """Raises what asyncpg raises when PostgreSQL is away; a policy that fails forbids."""
    async with pool.acquire() as connection:
        attempt = connection.transaction()
        await attempt.start()
        try:
            probe = await connection.fetchval(_PROBE + "returning id", topic)
            await _become(connection, claims, topic)
            query = "select exists(select from realtime.messages where id = $1)"
            return bool(await connection.fetchval(query, probe))
        except OUTAGES:
            raise
        except asyncpg.PostgresError as error:
            return _forbidden(error, topic)
        finally:
            await _undo(connection, attempt)


async def may_send(pool: Pool, claims: Mapping[str, Any], topic: str) -> bool:
    """As `may_listen`."""
    async with pool.acquire() as connection:
        attempt = connection.transaction()
        await attempt.start()
        try:
            await _become(connection, claims, topic)
            await connection.execute(_PROBE, topic)
            return True
        except OUTAGES:
            raise
        except asyncpg.PostgresError as error:
            return _forbidden(error, topic)
        finally:
            await _undo(connection, attempt)


async def _become(connection: Pooled, claims: Mapping[str, Any], topic: str) -> None:
    await connection.execute(_BECOME, claims["role"], orjson.dumps(dict(claims)).decode(), topic, str(DEADLINE_MS))


async def _undo(connection: Pooled, attempt: asyncpg.transaction.Transaction) -> None:
    if not connection.is_closed():
        await attempt.rollback()


def _forbidden(error: asyncpg.PostgresError, topic: str) -> bool:
    if not isinstance(error, asyncpg.InsufficientPrivilegeError):
        log.warning("realtime_policy_failed", topic=topic, error=type(error).__name__, detail=str(error))
    return False

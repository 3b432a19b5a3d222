"""The change source: committed changes of the publications, read by polling a temporary logical slot.

Guarantees: changes arrive in commit order, each once, from the moment `ready` is set until the connection is lost;
then the sink is told, because what is committed until the next slot exists is never seen. Connecting is retried
for ever with backoff. The slot is temporary: PostgreSQL drops it with the connection.
"""

import asyncio
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

import asyncpg
import structlog

from deploy.local.supabase.realtime.catalogue import MESSAGES_PUBLICATION, PUBLICATION, Connection
from deploy.local.supabase.realtime.pgoutput import Change, Decoder

log = structlog.get_logger()

# Text forms must be what `values` and `filters` expect.
SESSION = {"timezone": "UTC", "datestyle": "ISO", "intervalstyle": "postgres", "application_name": "realtime"}
LISTENED_SECONDS, IDLE_SECONDS = 0.008, 0.5
# Each poll decodes the log again from the slot's restart point. When that gets slow, a snapshot record moves it on.
SLOW_POLL_SECONDS = 0.02
CONNECT_SECONDS, STATEMENT_SECONDS = 5.0, 30.0
BACKOFF_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0)
MAX_CHANGES = 1000

_POLL = """
select data from pg_logical_slot_get_binary_changes($1, null, $2,
    'proto_version', '1', 'publication_names', $3)
"""


class Sink(Protocol):
    """Where changes go. Called by one task only, never concurrently.

    It has no use of the source's own connection: decoding empties the caches of the server process that does it,
    so that whatever runs there next is planned from nothing.
    """

    @property
    def is_listened(self) -> bool:
        """Whether anybody would hear of a change."""

    async def apply(self, changes: Iterable[Change]) -> None:
        """Deliver the changes of one poll."""

    async def settle(self) -> None:
        """Called after every poll: whoever is let in now hears of each change committed later."""

    def lost(self) -> None:
        """The connection is gone and changes may be missed."""


class ChangeSource:
    """Runs as one task, `run()`, until it is cancelled."""

    def __init__(self, dsn: str, sink: Sink) -> None:
        self.ready = asyncio.Event()
        self._dsn = dsn
        self._sink = sink
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Poll at once: somebody waits for `settle`."""
        self._wake.set()

    async def run(self) -> None:
        """Never returns; survives everything PostgreSQL does."""
        failures = 0
        while True:
            try:
                connection = await self._connect()
                try:
                    slot = await _open_slot(connection)
                    failures = 0
                    self.ready.set()
                    log.info("realtime_source_ready", slot=slot)
                    await self._poll_for_ever(connection, slot)
                finally:
                    self.ready.clear()
                    connection.terminate()
            except Exception as error:  # a server that dies makes asyncpg raise what no list of ours would hold
                log.warning("realtime_source_lost", error=type(error).__name__, detail=str(error), tries=failures)
                if failures == 0:
                    self._sink.lost()
            await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
            failures += 1

    async def _connect(self) -> Connection:
        connection: Connection = await asyncpg.connect(
            self._dsn, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS, server_settings=SESSION
        )
        return connection

    async def _poll_for_ever(self, connection: Connection, slot: str) -> None:
        publications = f"{PUBLICATION},{MESSAGES_PUBLICATION}"
        while True:
            self._wake.clear()
            started = time.monotonic()
            rows = await connection.fetch(_POLL, slot, MAX_CHANGES, publications)
            duration = time.monotonic() - started
            if self._sink.is_listened:
                await self._sink.apply(Decoder().changes(row["data"] for row in rows))
            await self._sink.settle()
            if duration > SLOW_POLL_SECONDS:
                await connection.execute("select pg_log_standby_snapshot()")
            pause = LISTENED_SECONDS if self._sink.is_listened else IDLE_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(max(pause, duration)):
                    await self._wake.wait()


async def _open_slot(connection: Connection) -> str:
    """A temporary slot from here on. Raises `UndefinedObjectError` while a publication does not exist."""
    found = await connection.fetchval(
        "select count(*) from pg_publication where pubname = any ($1)", [PUBLICATION, MESSAGES_PUBLICATION]
    )
    if found != 2:
        raise asyncpg.UndefinedObjectError("a publication is missing")
    slot = f"realtime_{secrets.token_hex(8)}"
    await connection.fetchval("select pg_create_logical_replication_slot($1, 'pgoutput', true)", slot)
    return slot

"""The postgres_changes bindings of joined channels: which there are, and which are let in.

A binding is let in between two polls of the change source: it hears of each change committed after its channel was
told so, and of none that was committed before the poll. A binding that names what cannot be heard is refused, once.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import asyncpg
import structlog

from deploy.local.supabase.realtime import filters
from deploy.local.supabase.realtime.catalogue import Pool, published_tables, table_facts
from deploy.local.supabase.realtime.filters import Condition, FilterError
from deploy.local.supabase.realtime.join import Binding
from deploy.local.supabase.realtime.outage import OUTAGES

log = structlog.get_logger()


class Subscriber(Protocol):
    """A joined channel that asked for changes. Hashed by identity."""

    @property
    def claims(self) -> Mapping[str, Any]: ...

    def change(self, ids: list[int], data: Mapping[str, Any]) -> None:
        """Send one change to the client."""

    def subscribed(self) -> None:
        """From now on changes are delivered."""

    def missed(self) -> None:
        """A change may have been missed: the client must reconnect and look again."""

    def refused(self, message: str) -> None:
        """The bindings cannot be served; nothing will be delivered."""


@dataclass(frozen=True, eq=False)
class Subscription:
    """One binding of one channel that was let in."""

    id: int
    subscriber: Subscriber
    binding: Binding
    conditions: tuple[Condition, ...]

    def wants(self, schema: str, table: str, action: str) -> bool:
        binding = self.binding
        return (
            binding.event in ("*", action) and binding.schema_ in ("*", schema) and binding.table in (None, "*", table)
        )

    @property
    def role(self) -> str:
        return str(self.subscriber.claims["role"])


@dataclass
class Subscriptions:
    """All of them. `active` hear changes, `_waiting` are let in or refused by the next `settle`."""

    active: dict[Subscriber, list[Subscription]] = field(default_factory=dict)
    _waiting: dict[Subscriber, list[tuple[int, Binding]]] = field(default_factory=dict)

    def add(self, subscriber: Subscriber, bindings: list[tuple[int, Binding]]) -> None:
        """To be judged by the next `settle`; one that is active goes on hearing until then."""
        self._waiting[subscriber] = bindings

    def remove(self, subscriber: Subscriber) -> None:
        """Harmless for one that is not there."""
        self.active.pop(subscriber, None)
        self._waiting.pop(subscriber, None)

    def interested(self, schema: str, table: str, action: str) -> list[Subscription]:
        return [
            subscription
            for subscriptions in self.active.values()
            for subscription in subscriptions
            if subscription.wants(schema, table, action)
        ]

    async def settle(self, database: Pool) -> None:
        """Let in or refuse all who wait. Raises what asyncpg raises when PostgreSQL is away."""
        for subscriber in tuple(self._waiting):
            bindings = self._waiting.get(subscriber)
            if bindings is None:  # left meanwhile
                continue
            role = str(subscriber.claims["role"])
            try:
                subscriptions = [
                    Subscription(number, subscriber, binding, await _checked(database, binding, role))
                    for number, binding in bindings
                ]
            except FilterError as error:
                log.info("realtime_subscription_refused", reason=str(error))
                if self._waiting.pop(subscriber, None) is not None:
                    self.active.pop(subscriber, None)
                    subscriber.refused(f"Unable to subscribe to changes with given parameters: {error}")
                continue
            if self._waiting.pop(subscriber, None) is not None:
                self.active[subscriber] = subscriptions
                subscriber.subscribed()
            await asyncio.sleep(0)  # thousands who join at once do not hold up the sockets


async def _checked(database: Pool, binding: Binding, role: str) -> tuple[Condition, ...]:
    """The binding's conditions with their values as PostgreSQL writes them. Raises `FilterError`."""
    tables = await published_tables(database, binding.schema_, binding.table or "*")
    if not tables:
        raise FilterError(f"{binding.schema_}.{binding.table or '*'} is not enabled for Realtime")
    if not binding.filter:
        return ()
    if len(tables) != 1 or binding.table in (None, "*"):
        raise FilterError("a filter wants one table")
    facts = await table_facts(database, tables[0], [role])
    checked = []
    for condition in filters.parse(binding.filter):
        column = facts.column(condition.column) if facts else None
        if column is None or role not in column.readers:
            raise FilterError(f"invalid column for filter {condition.column}")
        checked.append(await _canonical(database, condition, column.sql_type))
    return tuple(checked)


async def _canonical(database: Pool, condition: Condition, sql_type: str) -> Condition:
    """Values of the column's type in the very form in which changes carry them. Raises `FilterError`."""
    if not condition.is_typed or (condition.operator == "isdistinct" and condition.values == ("null",)):
        return condition
    query = f"select array(select v::{sql_type}::text from unnest($1::text[]) v)"  # noqa: S608 - a catalogue's type
    try:
        values = await database.fetchval(query, list(condition.values))
    except OUTAGES:
        raise
    except asyncpg.PostgresError as error:
        raise FilterError(f"invalid value for {condition.column}: {error}") from error
    if sql_type == "boolean":
        values = [value[0] for value in values]  # a cast says "true", the log "t"
    return condition.with_values(tuple(values))

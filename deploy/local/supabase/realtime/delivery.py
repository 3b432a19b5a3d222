"""From one change to what each subscriber is shown of it.

A row is shown only to those whose role may select its key and whose policies let them see the row now; of its columns
only those the role may select. As on Supabase, a deleted row is announced to every subscriber of the table, with
nothing but its key where row level security is on.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import asyncpg
import orjson
import structlog

from deploy.local.supabase.realtime.catalogue import ColumnFacts, Pool, TableFacts, quoted, table_facts
from deploy.local.supabase.realtime.outage import OUTAGES
from deploy.local.supabase.realtime.pgoutput import Change, Row, Unchanged
from deploy.local.supabase.realtime.subscriptions import Subscriber, Subscription, Subscriptions
from deploy.local.supabase.realtime.values import to_json

log = structlog.get_logger()

MAX_RECORD_BYTES = 1 << 20
SMALL_VALUE_BYTES = 64
CHECK_SECONDS = 5.0
CONCURRENT_CHECKS = 8

Select = tuple[str, ...] | None
AsCaller = Callable[[Mapping[str, Any]], AbstractAsyncContextManager[Any]]


class Delivery:
    """Works on one change at a time, so that every subscriber gets changes in commit order."""

    def __init__(self, subscriptions: Subscriptions, database: Pool, as_caller: AsCaller) -> None:
        self._subscriptions = subscriptions
        self._database = database
        self._as_caller = as_caller
        self._checks = asyncio.Semaphore(CONCURRENT_CHECKS)

    async def deliver(self, change: Change) -> None:
        """Raises what asyncpg raises when PostgreSQL is away. Whoever cannot be checked is told to look again."""
        relation = change.relation
        interested = self._subscriptions.interested(relation.schema, relation.table, change.action)
        if not interested:
            return
        roles = {subscription.role for subscription in interested}
        facts = await table_facts(self._database, relation.oid, roles)
        if facts is None:
            return
        for role in sorted(roles):
            of_role = [subscription for subscription in interested if subscription.role == role]
            problem = _problem(facts, change, role)
            if problem is not None:
                _send(of_role, partial(_without_data, change, problem))
                continue
            matching = [one for one in of_role if await _matches(self._database, facts, change, one)]
            visible = await self._visible(facts, change, matching)
            _send(visible, partial(_shown, facts, change, role))

    async def _visible(
        self, facts: TableFacts, change: Change, subscriptions: Sequence[Subscription]
    ) -> list[Subscription]:
        """Those that may see the row: asked once for all who carry the very same claims."""
        if change.action == "DELETE" or not facts.has_row_security:
            return list(subscriptions)
        by_claims: dict[bytes, list[Subscription]] = defaultdict(list)
        for subscription in subscriptions:
            claims = dict(subscription.subscriber.claims)
            by_claims[orjson.dumps(claims, option=orjson.OPT_SORT_KEYS)].append(subscription)
        groups = list(by_claims.values())
        answers = await asyncio.gather(*(self._may_see(facts, change, group[0].subscriber.claims) for group in groups))
        for group, sees in zip(groups, answers, strict=True):
            if sees is None:
                for one in group:
                    one.subscriber.missed()
        return [one for group, sees in zip(groups, answers, strict=True) if sees for one in group]

    async def _may_see(self, facts: TableFacts, change: Change, claims: Mapping[str, Any]) -> bool | None:
        """None when it could not be found out. A policy that fails shows nothing."""
        assert change.new is not None
        table = f"{quoted(change.relation.schema)}.{quoted(change.relation.table)}"
        key = " and ".join(
            f"{quoted(column.name)} = ${number}::pg_catalog.text::{column.sql_type}"
            for number, column in enumerate(facts.key, 1)
        )
        query = f"select exists(select from {table} where {key})"  # noqa: S608 - quoted names, a catalogue's types
        values = [change.new[column.name] for column in facts.key]
        try:
            async with self._checks, asyncio.timeout(CHECK_SECONDS), self._as_caller(claims) as connection:
                return bool(await connection.fetchval(query, *values))
        except OUTAGES as error:
            log.warning("realtime_check_missed", table=change.relation.table, error=type(error).__name__)
            return None
        except asyncpg.PostgresError as error:
            log.warning("realtime_check_failed", table=change.relation.table, error=type(error).__name__)
            return False


def _problem(facts: TableFacts, change: Change, role: str) -> str | None:
    if facts.has_row_security and not facts.key:
        return "Error 400: Bad Request, no primary key"
    readable = facts.readable(role)
    if not readable or (change.action != "DELETE" and any(role not in column.readers for column in facts.key)):
        return "Error 401: Unauthorized"
    return None


async def _matches(database: Pool, facts: TableFacts, change: Change, subscription: Subscription) -> bool:
    row = change.new if change.new is not None else change.old
    assert row is not None
    for condition in subscription.conditions:
        column = facts.column(condition.column)
        if column is None or subscription.role not in column.readers:  # dropped or forbidden since it was let in
            return False
        value = row.get(column.name, Unchanged.TOAST)
        holds = condition.holds(value, column.type)
        if holds is None:
            holds = bool(await database.fetchval(f"select {condition.sql(column.sql_type)}", value, condition.values))
        if not holds:
            return False
    return True


def _send(subscriptions: Sequence[Subscription], shown: Callable[[Select], Mapping[str, Any]]) -> None:
    """One message a channel; more only where its bindings select different columns."""
    by_channel: dict[tuple[Subscriber, Select], list[int]] = defaultdict(list)
    for one in subscriptions:
        select = None if one.binding.select is None else tuple(one.binding.select)
        by_channel[one.subscriber, select].append(one.id)
    messages = {select: shown(select) for select in {select for _, select in by_channel}}
    for (subscriber, select), ids in by_channel.items():
        subscriber.change(ids, messages[select])


def _without_data(change: Change, problem: str, _select: Select) -> Mapping[str, Any]:
    return _header(change) | {"columns": [], "record": {}, "errors": [problem]}


def _header(change: Change) -> dict[str, Any]:
    return {
        "schema": change.relation.schema,
        "table": change.relation.table,
        "type": change.action,
        "commit_timestamp": change.committed_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _shown(facts: TableFacts, change: Change, role: str, select: Select) -> Mapping[str, Any]:
    columns = [column for column in facts.readable(role) if select is None or column.name in select]
    rows = [row for row in (change.new, change.old) if row is not None]
    too_large = any(_size(row) > MAX_RECORD_BYTES for row in rows)
    data = _header(change) | {
        "columns": [{"name": column.name, "type": column.type.name} for column in columns],
        "errors": ["Error 413: Payload Too Large"] if too_large else None,
    }
    if change.new is not None:
        data["record"] = _record(change.new, columns, too_large)
    if change.action != "INSERT":
        data["old_record"] = _record(_old(facts, change), columns, too_large)
    return data


def _old(facts: TableFacts, change: Change) -> Row:
    """The log carries an old row only where its key changed or the identity is the full row."""
    if change.action == "DELETE" and facts.has_row_security:
        keys = {column.name for column in facts.key}
        return {name: value for name, value in (change.old or {}).items() if name in keys}
    if change.old is not None:
        return change.old
    identity = {column.name for column in change.relation.columns if column.is_identity}
    return {name: value for name, value in (change.new or {}).items() if name in identity}


def _record(row: Row, columns: Sequence[ColumnFacts], only_small: bool) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for column in columns:
        value = row.get(column.name, Unchanged.TOAST)
        if isinstance(value, Unchanged) or (only_small and value is not None and len(value) > SMALL_VALUE_BYTES):
            continue
        record[column.name] = to_json(value, column.type)
    return record


def _size(row: Row) -> int:
    return sum(len(value) for value in row.values() if isinstance(value, str))

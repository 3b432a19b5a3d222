"""What PostgreSQL's catalogues say about a table: types, primary key, row level security, and who may read what."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

from deploy.local.supabase.realtime.values import Type

Connection: TypeAlias = "asyncpg.Connection[Any]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

PUBLICATION = "supabase_realtime"
MESSAGES_PUBLICATION = "supabase_realtime_messages_publication"

_COLUMNS = """
select c.relrowsecurity, a.attname, t.typname, b.oid as base, e.oid as element, coalesce(e.typdelim, ',') as delimiter,
       format_type(a.atttypid, null) as sql_type,
       coalesce(a.attnum = any (i.indkey), false) as is_key,
       array(select r.rolname::text from pg_authid r
             where r.rolname = any ($2::text[])
               and has_schema_privilege(r.oid, c.relnamespace, 'USAGE')
               and has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')) as readers
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
join pg_type b on b.oid = case t.typtype when 'd' then t.typbasetype else t.oid end
left join pg_type e on e.oid = b.typelem and b.typcategory = 'A'
left join pg_index i on i.indrelid = c.oid and i.indisprimary
where c.oid = $1
order by a.attnum
"""

_PUBLISHED = """
select format('%I.%I', schemaname, tablename)::regclass::oid as oid
from pg_publication_tables
where pubname = $1 and ($2 = '*' or schemaname = $2) and ($3 = '*' or tablename = $3)
"""


@dataclass(frozen=True)
class ColumnFacts:
    """`sql_type` is safe to put into a statement; `readers` are the roles asked about that may select it."""

    name: str
    type: Type
    sql_type: str
    is_key: bool
    readers: frozenset[str]


@dataclass(frozen=True)
class TableFacts:
    has_row_security: bool
    columns: tuple[ColumnFacts, ...]

    @property
    def key(self) -> tuple[ColumnFacts, ...]:
        return tuple(column for column in self.columns if column.is_key)

    def column(self, name: str) -> ColumnFacts | None:
        return next((column for column in self.columns if column.name == name), None)

    def readable(self, role: str) -> tuple[ColumnFacts, ...]:
        return tuple(column for column in self.columns if role in column.readers)


async def table_facts(database: Pool, oid: int, roles: Collection[str]) -> TableFacts | None:
    """Facts of the table as it is now; None when it is gone."""
    rows = await database.fetch(_COLUMNS, oid, list(roles))
    if not rows:
        return None
    columns = tuple(
        ColumnFacts(
            row["attname"],
            Type(row["typname"], row["base"], row["element"], _text(row["delimiter"])),
            row["sql_type"],
            row["is_key"],
            frozenset(row["readers"]),
        )
        for row in rows
    )
    return TableFacts(rows[0]["relrowsecurity"], columns)


async def published_tables(database: Pool, schema: str, table: str) -> list[int]:
    """Tables of the publication that a binding means; `*` stands for any schema or table."""
    return [row["oid"] for row in await database.fetch(_PUBLISHED, PUBLICATION, schema, table)]


def quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value

"""What is exposed: tables and functions of schema `public`, looked up as the caller in Postgres' own catalogue."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from deploy.local.supabase.rest.errors import RestError

EXPOSED_SCHEMA = "public"


@dataclass(frozen=True)
class Table:
    """A table or view: its quoted name, each column's type as SQL, and the primary key's columns."""

    name: str
    identifier: str
    columns: dict[str, str]
    primary_key: list[str]

    def column(self, name: str) -> str:
        """The quoted column. Raises `RestError` for one that does not exist."""
        if name not in self.columns:
            raise RestError(400, "42703", f"column {self.name}.{name} does not exist")
        return f"{self.identifier}.{quote(name)}"


@dataclass(frozen=True)
class Function:
    """A function: its quoted name, its arguments' types as SQL, and what it returns."""

    identifier: str
    arguments: dict[str, str]
    required: frozenset[str]
    returns_set: bool
    returns_row: bool
    returns_nothing: bool
    volatile: bool


def quote(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""').replace("\x00", "") + '"'


def check_profile(request: Request) -> None:
    """Raises `RestError` when another schema than the exposed one is asked for."""
    header = "accept-profile" if request.method in ("GET", "HEAD") else "content-profile"
    schema = request.headers.get(header, EXPOSED_SCHEMA)
    if schema != EXPOSED_SCHEMA:
        hint = f"Only the following schemas are exposed: {EXPOSED_SCHEMA}"
        raise RestError(406, "PGRST106", f"Invalid schema: {schema}", hint=hint)


async def find_table(connection: Any, name: str) -> Table:
    """Raises `RestError` for what is not there."""
    rows = await connection.fetch(
        "select a.attname as name, format_type(a.atttypid, a.atttypmod) as type,"
        " exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary"
        " and a.attnum = any(i.indkey)) as is_key"
        " from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p', 'v', 'm', 'f') order by a.attnum",
        EXPOSED_SCHEMA,
        name,
    )
    if not rows:
        message = f"Could not find the table '{EXPOSED_SCHEMA}.{name}' in the schema cache"
        raise RestError(404, "PGRST205", message)
    return Table(
        name,
        f"{quote(EXPOSED_SCHEMA)}.{quote(name)}",
        {row["name"]: row["type"] for row in rows},
        [row["name"] for row in rows if row["is_key"]],
    )


async def find_function(connection: Any, name: str, given: set[str]) -> Function:
    """The one overload that takes the arguments given. Raises `RestError`."""
    rows = await connection.fetch(
        "select p.pronargs, p.pronargdefaults, p.proretset, p.provolatile,"
        " coalesce(p.proargnames, '{}') as names, coalesce(p.proargmodes::text[], '{}') as modes,"
        " array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as _(t, i) order by i) as types,"
        " p.prorettype = 'void'::regtype as nothing,"
        " r.typtype = 'c' or p.prorettype = 'record'::regtype"
        " or coalesce(p.proargmodes::text[] && '{t,o,b}', false) as is_row"
        " from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace"
        " join pg_catalog.pg_type r on r.oid = p.prorettype"
        " where n.nspname = $1 and p.proname = $2 and p.prokind = 'f'",
        EXPOSED_SCHEMA,
        name,
    )
    fitting = [function for row in rows if (function := _function(name, row)) and _takes(function, given)]
    if len(fitting) != 1:
        message = f"Could not find the function {EXPOSED_SCHEMA}.{name}({', '.join(sorted(given))}) in the schema cache"
        raise RestError(404, "PGRST202", message)
    return fitting[0]


def _function(name: str, row: Any) -> Function:
    modes = row["modes"] or ["i"] * row["pronargs"]
    names = [arg for arg, mode in zip(row["names"], modes, strict=False) if mode in ("i", "b", "v")]
    arguments = dict(zip(names, row["types"], strict=False))
    return Function(
        identifier=f"{quote(EXPOSED_SCHEMA)}.{quote(name)}",
        arguments=arguments,
        required=frozenset(names[: row["pronargs"] - row["pronargdefaults"]]),
        returns_set=row["proretset"],
        returns_row=row["is_row"],
        returns_nothing=row["nothing"],
        volatile=row["provolatile"] == b"v",
    )


def _takes(function: Function, given: set[str]) -> bool:
    return function.required <= given <= function.arguments.keys()

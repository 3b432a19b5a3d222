"""`POST`, `PATCH` and `DELETE` on a table, in one transaction under the caller's role."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from deploy.local.supabase.context import Context
from deploy.local.supabase.rest import query
from deploy.local.supabase.rest.answers import Preferences, content_range, rows_answer, wants_single
from deploy.local.supabase.rest.catalog import Table, check_profile, find_table, quote
from deploy.local.supabase.rest.errors import Claims, RestError, bad_request, json_body, not_single


async def insert(context: Context, request: Request, claims: Claims) -> Response:
    """One object or a list. Columns that no object names keep their defaults."""
    check_profile(request)
    body = await json_body(request)
    objects: list[Any] = body if isinstance(body, list) else [body]
    if not all(isinstance(item, dict) for item in objects):
        raise bad_request("The body is neither an object nor a list of objects")
    preferences = Preferences.of(request)
    async with context.as_caller(claims) as connection:
        table = await find_table(connection, request.path_params["table"])
        names = _given_columns(request, objects)
        columns = [_column(table, name) for name in names]
        parameters = query.Parameters()
        source = parameters.bind(orjson.dumps(objects).decode())
        target = ", ".join(columns)
        values = (
            f"select {target} from json_populate_recordset(null::{table.identifier}, {source}::text::json)"  # noqa: S608
            if columns
            else f"select from json_array_elements({source}::text::json)"
        )
        statement = (
            f"insert into {table.identifier}{f' ({target})' if columns else ''} {values}"
            f"{_on_conflict(request, preferences, table, names)}"
        )
        return await _finish(connection, request, table, (statement, parameters), status=201)


async def update(context: Context, request: Request, claims: Claims) -> Response:
    """The rows that the filters and the policies leave. Without any filter it is refused."""
    check_profile(request)
    body = await json_body(request)
    if not isinstance(body, dict):
        raise bad_request("The body is not an object")
    async with context.as_caller(claims) as connection:
        table = await find_table(connection, request.path_params["table"])
        parameters = query.Parameters()
        columns = [_column(table, name) for name in body]
        source = parameters.bind(orjson.dumps(body).decode())
        where = query.conditions(request, table, parameters)
        if not columns:
            return (
                rows_answer(request, [], 200, {}) if Preferences.of(request).returns_rows else Response(status_code=204)
            )
        if not where:
            raise RestError(400, "21000", "UPDATE requires a WHERE clause")
        changes = ", ".join(f"{column} = _new.{column}" for column in columns)
        statement = (
            f"update {table.identifier} set {changes}"  # noqa: S608
            f" from json_populate_record(null::{table.identifier}, {source}::text::json) _new{where}"
        )
        return await _finish(connection, request, table, (statement, parameters), status=200)


async def delete(context: Context, request: Request, claims: Claims) -> Response:
    """The rows that the filters and the policies leave. Without any filter it is refused."""
    check_profile(request)
    async with context.as_caller(claims) as connection:
        table = await find_table(connection, request.path_params["table"])
        parameters = query.Parameters()
        where = query.conditions(request, table, parameters)
        if not where:
            raise RestError(400, "21000", "DELETE requires a WHERE clause")
        statement = f"delete from {table.identifier}{where}"  # noqa: S608
        return await _finish(connection, request, table, (statement, parameters), status=200)


async def _finish(
    connection: Any, request: Request, table: Table, built: tuple[str, query.Parameters], *, status: int
) -> Response:
    """Runs the statement. Raised inside the caller's transaction, a refusal of the answer's form undoes the change."""
    statement, parameters = built
    preferences = Preferences.of(request)
    if not preferences.returns_rows:
        tag: str = await connection.execute(statement, *parameters.values)
        changed = int(tag.rpartition(" ")[2])
        headers = {"content-range": f"*/{changed}" if preferences.exact_count else "*/*"}
        return Response(status_code=status if status == 201 else 204, headers=headers)
    records = await connection.fetch(
        f"with _changed as ({statement} returning {query.selection(request, table)})"  # noqa: S608
        " select row_to_json(_changed)::text as content from _changed",
        *parameters.values,
    )
    rows = [record["content"] for record in records]
    if wants_single(request) and len(rows) != 1:
        raise not_single(len(rows))
    total = len(rows) if preferences.exact_count else None
    return rows_answer(request, rows, status, {"content-range": content_range(0, len(rows), total)})


def _given_columns(request: Request, objects: list[Any]) -> list[str]:
    listed = request.query_params.get("columns")
    if listed is not None:
        return [name.strip().strip('"') for name in listed.split(",") if name.strip()]
    names = list(objects[0]) if objects else []
    if any(set(item) != set(names) for item in objects):
        raise RestError(400, "PGRST102", "All object keys must match")
    return names


def _column(table: Table, name: str) -> str:
    if name not in table.columns:
        message = f"Could not find the '{name}' column of '{table.name}' in the schema cache"
        raise RestError(400, "PGRST204", message)
    return quote(name)


def _on_conflict(request: Request, preferences: Preferences, table: Table, names: list[str]) -> str:
    if preferences.resolution is None:
        return ""
    listed = request.query_params.get("on_conflict")
    conflicting = [name.strip().strip('"') for name in listed.split(",")] if listed else table.primary_key
    keys = [_column(table, name) for name in conflicting]
    target = f" ({', '.join(keys)})" if keys else ""
    if preferences.resolution == "ignore-duplicates":
        return f" on conflict{target} do nothing"
    if preferences.resolution != "merge-duplicates":
        raise bad_request(f"unknown resolution {preferences.resolution!r}")
    if not target:
        raise bad_request("An upsert into a table without a primary key needs on_conflict")
    changes = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in names)
    return f" on conflict{target} do update set {changes}" if changes else f" on conflict{target} do nothing"

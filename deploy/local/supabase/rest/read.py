"""`GET` on a table or view, in a read-only transaction under the caller's role."""

from starlette.requests import Request
from starlette.responses import Response

from deploy.local.supabase.context import Context
from deploy.local.supabase.rest import query
from deploy.local.supabase.rest.answers import Preferences, content_range, rows_answer
from deploy.local.supabase.rest.catalog import check_profile, find_table
from deploy.local.supabase.rest.errors import Claims, RestError


async def read(context: Context, request: Request, claims: Claims) -> Response:
    """200, or 206 when a counted result goes on after the page; `Content-Range` says which rows these are."""
    check_profile(request)
    preferences = Preferences.of(request)
    page = query.page(request)
    total: int | None = None
    async with context.as_caller(claims, read_only=True) as connection:
        table = await find_table(connection, request.path_params["table"])
        parameters = query.Parameters()
        where = query.conditions(request, table, parameters)
        if preferences.exact_count:
            total = await connection.fetchval(
                f"select count(*) from {table.identifier}{where}",  # noqa: S608 - quoted names, bound values
                *parameters.values,
            )
        statement = (
            f"select {query.selection(request, table)} from {table.identifier}{where}"  # noqa: S608
            f"{query.ordering(request, table)}"
            f" limit {parameters.bind(page.limit)} offset {parameters.bind(page.offset)}"
        )
        records = await connection.fetch(
            f"select row_to_json(_result)::text as content from ({statement}) _result",  # noqa: S608
            *parameters.values,
        )
    if total is not None and page.offset > total:
        details = f"An offset of {page.offset} was requested, but there are only {total} rows."
        raise RestError(416, "PGRST103", "Requested range not satisfiable", details=details)
    rows = [record["content"] for record in records]
    partial = total is not None and len(rows) < total
    headers = {"content-range": content_range(page.offset, len(rows), total)}
    return rows_answer(request, rows, 206 if partial else 200, headers)

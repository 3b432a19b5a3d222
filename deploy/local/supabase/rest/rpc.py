"""`/rpc/<function>`: `POST` with a JSON object of arguments, or `GET` with them in the query, for what only reads."""

import orjson
from starlette.requests import Request
from starlette.responses import Response

from deploy.local.supabase.context import Context
from deploy.local.supabase.rest.answers import rows_answer
from deploy.local.supabase.rest.catalog import Function, check_profile, find_function, quote
from deploy.local.supabase.rest.errors import Claims, RestError, bad_request, json_body
from deploy.local.supabase.rest.query import RESERVED


async def call(context: Context, request: Request, claims: Claims) -> Response:
    """A set is a list, one row an object, a scalar its JSON, `void` nothing."""
    check_profile(request)
    reads = request.method in ("GET", "HEAD")
    if reads:
        arguments: object = {name: value for name, value in request.query_params.items() if name not in RESERVED}
    else:
        arguments = await json_body(request)
    if not isinstance(arguments, dict):
        raise bad_request("The arguments are not an object")
    async with context.as_caller(claims, read_only=reads) as connection:
        function = await find_function(connection, request.path_params["function"], set(arguments))
        if reads and function.volatile:
            raise RestError(405, "PGRST101", "Cannot use the GET method on a volatile function")
        records = await connection.fetch(_statement(function, arguments), orjson.dumps(arguments).decode())
        rows = [record["content"] for record in records]
        if function.returns_nothing:
            return Response(status_code=204)
        if function.returns_set:
            return rows_answer(request, rows, 200, {"content-range": f"0-{max(0, len(rows) - 1)}/*"})
        content = rows[0] if rows and rows[0] is not None else "null"
        return Response(content, media_type="application/json; charset=utf-8")


def _statement(function: Function, arguments: dict[str, object]) -> str:
    given = ", ".join(f"{quote(name)} => _args.{quote(name)}" for name in arguments)
    types = ", ".join(f"{quote(name)} {function.arguments[name]}" for name in arguments)
    called = f"{function.identifier}({given})"
    source = f"json_to_record($1::text::json) as _args ({types})" if arguments else "(select $1::text) as _args"
    if function.returns_row:
        rows = f"lateral (select * from {called}) as _result"  # noqa: S608
        return f"select row_to_json(_result)::text as content from {source}, {rows}"  # noqa: S608
    if function.returns_set:
        return f"select to_json(_result)::text as content from {source}, lateral {called} as _result"  # noqa: S608
    return f"select to_json({called})::text as content from {source}"  # noqa: S608

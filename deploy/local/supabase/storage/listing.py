"""Listing what the caller may select, folder by folder (`list`) or by full name in pages (`list-v2`)."""

import base64
import binascii
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.storage.errors import body_of, invalid_request
from deploy.local.supabase.storage.service import Storage

COLUMNS = ("name", "updated_at", "created_at", "last_accessed_at")
MAX_LIMIT = 1000

# One row a file or folder right below the prefix; a folder is what comes before the next slash.
CHILDREN = """
with visible as (
    select o.*, substr(o.name, length($2) + 1) as rest
    from storage.objects o
    where o.bucket_id = $1 and starts_with(lower(o.name), lower($2)) and substr(o.name, length($2) + 1) ilike $3
),
children as (
    select split_part(rest, '/', 1) as name, null::uuid as id, null::timestamptz as updated_at,
        null::timestamptz as created_at, null::timestamptz as last_accessed_at, null::jsonb as metadata
    from visible where strpos(rest, '/') > 0 group by 1
    union all
    select rest, id, updated_at, created_at, last_accessed_at, metadata from visible where strpos(rest, '/') = 0
)
select to_jsonb(children)::text as content from children
"""
FULL_NAMES = """
with visible as (
    select o.*, case when $3 and strpos(substr(o.name, length($2) + 1), '/') > 0
        then $2 || split_part(substr(o.name, length($2) + 1), '/', 1) || '/' end as folder
    from storage.objects o where o.bucket_id = $1 and starts_with(o.name, $2)
),
entries as (
    select folder as name, null::uuid as id, null::timestamptz as updated_at, null::timestamptz as created_at,
        null::jsonb as metadata
    from visible where folder is not null group by 1
    union all
    select name, id, updated_at, created_at, metadata from visible where folder is null
)
select to_jsonb(entries)::text as content from entries
"""


async def list_folder(storage: Storage, request: Request) -> Response:
    """Names are relative to the prefix; a folder has a name and nothing else."""
    claims, body = storage.caller(request), await body_of(request)
    prefix = body.get("prefix") or ""
    search = body.get("search") or ""
    if not isinstance(prefix, str) or not isinstance(search, str):
        raise invalid_request("body/prefix must be string")
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    limit, offset = _number(body, "limit", 100, MAX_LIMIT), _number(body, "offset", 0, 10**9)
    async with storage.context.as_caller(claims, read_only=True) as connection:
        rows = await connection.fetch(
            f"{CHILDREN}{_order(body)} limit $4 offset $5",
            request.path_params["bucket"],
            prefix.lstrip("/"),
            _like(search) + "%",
            limit,
            offset,
        )
    return JSONResponse([orjson.loads(row["content"]) for row in rows])


async def list_names(storage: Storage, request: Request) -> Response:
    """Names are whole; `cursor` is what the page before gave as `nextCursor`."""
    claims, body = storage.caller(request), await body_of(request)
    prefix = body.get("prefix") or ""
    if not isinstance(prefix, str):
        raise invalid_request("body/prefix must be string")
    limit = max(1, _number(body, "limit", MAX_LIMIT, MAX_LIMIT))
    offset = _offset(body.get("cursor"))
    async with storage.context.as_caller(claims, read_only=True) as connection:
        rows = await connection.fetch(
            f"{FULL_NAMES}{_order(body)} limit $4 offset $5",
            request.path_params["bucket"],
            prefix,
            body.get("with_delimiter") is True,
            limit + 1,
            offset,
        )
    entries: list[dict[str, Any]] = [orjson.loads(row["content"]) for row in rows[:limit]]
    content = {
        "hasNext": len(rows) > limit,
        "folders": [{"name": entry["name"], "key": entry["name"]} for entry in entries if entry["id"] is None],
        "objects": [{**entry, "key": entry["name"]} for entry in entries if entry["id"] is not None],
    }
    if len(rows) > limit:
        content["nextCursor"] = base64.urlsafe_b64encode(str(offset + limit).encode()).decode()
    return JSONResponse(content)


def _order(body: dict[str, object]) -> str:
    sort = body.get("sortBy")
    sort = sort if isinstance(sort, dict) else {}
    column, order = sort.get("column", "name"), sort.get("order", "asc")
    if column not in COLUMNS or order not in ("asc", "desc"):
        raise invalid_request("body/sortBy must name a column and asc or desc")
    if column == "name":
        return f'order by name collate "C" {order}'
    return f'order by {column} {order} nulls first, name collate "C"'


def _number(body: dict[str, object], name: str, default: int, most: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise invalid_request(f"body/{name} must be a number")
    return min(value, most)


def _offset(cursor: object) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor)) if isinstance(cursor, str) and cursor else 0
    except (ValueError, binascii.Error) as error:
        raise invalid_request("body/cursor is not one of ours") from error


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

"""Users as the secret key sees them: create, list, read, delete."""

from uuid import UUID

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.auth import users
from deploy.local.supabase.auth.errors import AuthError, body_of, invalid, text
from deploy.local.supabase.auth.passwords import check_strength, hash_password
from deploy.local.supabase.auth.service import Auth
from deploy.local.supabase.auth.signup import metadata_of
from deploy.local.supabase.caller import resolve


async def create_user(auth: Auth, request: Request) -> Response:
    """No mail goes out; `email_confirm` makes the user confirmed at once."""
    _require_service_role(auth, request)
    body = await body_of(request)
    email, password = users.normal_email(text(body, "email")), text(body, "password")
    encrypted = None
    if password:
        check_strength(password)
        encrypted = await hash_password(password)
    async with auth.context.auth_database.acquire() as connection:
        try:
            async with connection.transaction():
                row = await users.create(
                    connection,
                    email,
                    encrypted,
                    metadata_of(body, "user_metadata"),
                    metadata_of(body, "app_metadata"),
                    confirmed=body.get("email_confirm") is True,
                    user_id=_uuid(text(body, "id")) if body.get("id") else None,
                )
        except asyncpg.UniqueViolationError as error:
            message = "A user with this email address has already been registered"
            raise AuthError(422, "email_exists", message) from error
        return JSONResponse(await users.body(connection, row))


async def list_users(auth: Auth, request: Request) -> Response:
    """Pages of `per_page` (50), from 1, newest first, with the total in `X-Total-Count`."""
    _require_service_role(auth, request)
    page, per_page = _number(request, "page", 1), min(_number(request, "per_page", 50), 1000)
    async with auth.context.auth_database.acquire() as connection:
        rows = await connection.fetch(
            "select * from auth.users where deleted_at is null order by created_at desc, id limit $1 offset $2",
            per_page,
            (page - 1) * per_page,
        )
        total = await connection.fetchval("select count(*) from auth.users where deleted_at is null")
        content = [await users.body(connection, row) for row in rows]
    return JSONResponse({"users": content, "aud": "authenticated"}, headers={"x-total-count": str(total)})


async def get_user(auth: Auth, request: Request) -> Response:
    _require_service_role(auth, request)
    async with auth.context.auth_database.acquire() as connection:
        row = await users.find(connection, _uuid(request.path_params["id"]))
        if row is None:
            raise AuthError(404, "user_not_found", "User not found")
        return JSONResponse(await users.body(connection, row))


async def delete_user(auth: Auth, request: Request) -> Response:
    """The row goes, and with it what references it by cascade; files in Storage stay."""
    _require_service_role(auth, request)
    async with auth.context.auth_database.acquire() as connection:
        deleted = await connection.fetchval(
            "delete from auth.users where id = $1 returning id", _uuid(request.path_params["id"])
        )
    if deleted is None:
        raise AuthError(404, "user_not_found", "User not found")
    return JSONResponse({})


def _require_service_role(auth: Auth, request: Request) -> None:
    claims = resolve(auth.context.keys, request.headers, request.query_params)
    if claims["role"] != "service_role":
        raise AuthError(403, "not_admin", "User not allowed")


def _uuid(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError as error:
        raise invalid("user_id must be an UUID") from error


def _number(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name) or str(default)
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 1_000_000:
        raise invalid(f"{name} is not a positive number")
    return int(value)

"""The signed-in user: read, change, sign out."""

from typing import Any, Literal, cast
from uuid import UUID

import asyncpg
import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.auth import passwords, sessions, users
from deploy.local.supabase.auth.errors import AuthError, body_of, invalid, text
from deploy.local.supabase.auth.service import Auth, require_apikey
from deploy.local.supabase.auth.signup import metadata_of, send_change_codes
from deploy.local.supabase.caller import bearer_token, claims_of

SCOPES = ("global", "local", "others")


async def get_user(auth: Auth, request: Request) -> Response:
    async with auth.context.auth_database.acquire() as connection:
        row, _ = await _signed_in(auth, connection, request)
        return JSONResponse(await users.body(connection, row))


async def update_user(auth: Auth, request: Request) -> Response:
    """Metadata is merged (null removes a key); a new password ends the other sessions; a new address gets a code,
    and the old one too where the project says so."""
    body = await body_of(request)
    password, metadata = text(body, "password"), metadata_of(body)
    new_email = users.normal_email(text(body, "email")) if body.get("email") else None
    if password:
        passwords.check_strength(password)
    async with auth.context.auth_database.acquire() as connection:
        row, session_id = await _signed_in(auth, connection, request)
        if password and await passwords.matches(password, row["encrypted_password"]):
            raise AuthError(422, "same_password", "New password should be different from the old password.")
        encrypted = await passwords.hash_password(password) if password else None
        changes_email = new_email is not None and new_email != row["email"]
        async with connection.transaction():
            if changes_email and await users.find_by_email(connection, new_email or "") is not None:
                raise AuthError(422, "email_exists", "A user with this email address has already been registered")
            await connection.execute(
                "update auth.users set encrypted_password = coalesce($2, encrypted_password),"
                " email_change = coalesce($3, email_change), updated_at = now(),"
                " email_change_confirm_status = case when $3 is null then email_change_confirm_status else 0 end,"
                " raw_user_meta_data = jsonb_strip_nulls(raw_user_meta_data || $4::text::jsonb) where id = $1",
                row["id"],
                encrypted,
                new_email if changes_email else None,
                orjson.dumps(metadata).decode(),
            )
            if encrypted is not None:
                await sessions.close_sessions(connection, row["id"], session_id, "others")
        if changes_email and new_email is not None:
            await send_change_codes(auth, row["id"], row["email"], new_email)
        current = await users.find(connection, row["id"])
        return JSONResponse(await users.body(connection, current or row))


async def log_out(auth: Auth, request: Request) -> Response:
    """Ends this session, the others, or all. Access tokens stay good until they expire, as on hosted Supabase."""
    scope = request.query_params.get("scope", "global")
    if scope not in SCOPES:
        raise invalid(f"Unsupported logout scope {scope!r}")
    async with auth.context.auth_database.acquire() as connection:
        row, session_id = await _signed_in(auth, connection, request)
        await sessions.close_sessions(
            connection, row["id"], session_id, cast(Literal["global", "local", "others"], scope)
        )
    return Response(status_code=204)


async def _signed_in(auth: Auth, connection: Any, request: Request) -> tuple[asyncpg.Record, UUID | None]:
    """The user's row and session. Raises `AuthError`, `CallerError`."""
    require_apikey(auth, request)
    token = bearer_token(request.headers)
    if token is None:
        raise AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token")
    claims = claims_of(auth.context.keys, token)
    user_id, session_id = _uuid(claims.get("sub")), _uuid(claims.get("session_id"))
    if user_id is None:
        raise AuthError(403, "bad_jwt", "invalid claim: missing sub claim")
    row = await users.find(connection, user_id)
    if row is None:
        raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
    if session_id is not None and not await connection.fetchval(
        "select exists (select from auth.sessions where id = $1 and user_id = $2)", session_id, user_id
    ):
        raise AuthError(403, "session_not_found", "Session from session_id claim in JWT does not exist")
    return row, session_id


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value)) if value else None
    except ValueError:
        return None

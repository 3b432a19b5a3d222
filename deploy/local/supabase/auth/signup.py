"""Everything that sends a code: sign-up, sign-in by code, resend, password recovery."""

from typing import Any

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.auth import codes, users
from deploy.local.supabase.auth.configuration import CONFIGURATION
from deploy.local.supabase.auth.errors import AuthError, body_of, invalid, text
from deploy.local.supabase.auth.mail import Kind
from deploy.local.supabase.auth.passwords import check_strength, hash_password
from deploy.local.supabase.auth.service import Auth, require_apikey

CODE_TYPES: dict[Kind, codes.CodeType] = {
    "signup": "confirmation_token",
    "magiclink": "recovery_token",
    "recovery": "recovery_token",
    "email_change": "email_change_token_new",
}
SENT_AT: dict[codes.CodeType, str] = {
    "confirmation_token": "confirmation_sent_at",
    "recovery_token": "recovery_sent_at",
    "email_change_token_new": "email_change_sent_at",
    "email_change_token_current": "email_change_sent_at",
}


async def sign_up(auth: Auth, request: Request) -> Response:
    """A new unconfirmed user gets a code. An unconfirmed one gets another code; a confirmed one is not given away."""
    require_apikey(auth, request)
    body = await body_of(request)
    email = users.normal_email(text(body, "email"))
    password = text(body, "password")
    check_strength(password)
    metadata = metadata_of(body)
    row = await _find_or_create(auth, email, await hash_password(password), metadata)
    if row["email_confirmed_at"] is not None:
        return JSONResponse(users.unknown_user_body(email, metadata))
    await send_code(auth, row["id"], "signup", email)
    async with auth.context.auth_database.acquire() as connection:
        current = await users.find(connection, row["id"])
        return JSONResponse(await users.body(connection, current or row))


async def sign_in_with_otp(auth: Auth, request: Request) -> Response:
    """Sends a sign-in code; with `create_user` (the default) an unknown address becomes an unconfirmed user."""
    require_apikey(auth, request)
    body = await body_of(request)
    email = users.normal_email(text(body, "email"))
    async with auth.context.auth_database.acquire() as connection:
        row = await users.find_by_email(connection, email)
    if row is None and body.get("create_user") is False:
        raise AuthError(422, "otp_disabled", "Signups not allowed for otp")
    if row is None:
        row = await _find_or_create(auth, email, None, metadata_of(body))
    await send_code(auth, row["id"], "magiclink" if row["email_confirmed_at"] else "signup", email)
    return JSONResponse({})


async def resend(auth: Auth, request: Request) -> Response:
    """Sends a sign-up or address-change code again. An address without one gets the same answer and no mail."""
    require_apikey(auth, request)
    body = await body_of(request)
    email = users.normal_email(text(body, "email"))
    kind = text(body, "type")
    if kind not in ("signup", "email_change"):
        raise invalid("Missing one of these types: signup, email_change")
    async with auth.context.auth_database.acquire() as connection:
        row = await users.find_by_email(connection, email)
    if row is not None and kind == "signup" and row["email_confirmed_at"] is None:
        await send_code(auth, row["id"], "signup", email)
    elif row is not None and kind == "email_change" and row["email_change"]:
        await send_change_codes(auth, row["id"], row["email"], row["email_change"])
    return JSONResponse({})


async def recover(auth: Auth, request: Request) -> Response:
    """Sends a password reset code. An unknown address gets the same answer and no mail."""
    require_apikey(auth, request)
    body = await body_of(request)
    email = users.normal_email(text(body, "email"))
    async with auth.context.auth_database.acquire() as connection:
        row = await users.find_by_email(connection, email)
    if row is not None:
        await send_code(auth, row["id"], "recovery", email)
    return JSONResponse({})


async def send_change_codes(auth: Auth, user_id: Any, current: str, new: str) -> None:
    """A code to the new address, and where the project wants both to confirm, another to the current one."""
    if CONFIGURATION.both_addresses_confirm:
        await send_code(auth, user_id, "email_change", current, "email_change_token_current")
    await send_code(auth, user_id, "email_change", new)


async def send_code(auth: Auth, user_id: Any, kind: Kind, email: str, code_type: codes.CodeType | None = None) -> None:
    """Issues a code, of the mail's usual type unless another is named, and mails it once it is committed."""
    code_type = code_type or CODE_TYPES[kind]
    async with auth.context.auth_database.acquire() as connection, connection.transaction():
        await connection.execute(
            f"update auth.users set {SENT_AT[code_type]} = now(), updated_at = now() where id = $1",  # noqa: S608
            user_id,
        )
        code = await codes.issue(auth, connection, user_id, code_type, email)
    await auth.outbox.send(email, kind, code)


def metadata_of(body: dict[str, object], name: str = "data") -> dict[str, Any]:
    """A field that is a JSON object or absent. Raises `AuthError`."""
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise AuthError(400, "bad_json", f"{name} is not an object")
    return value


async def _find_or_create(
    auth: Auth, email: str, encrypted_password: str | None, metadata: dict[str, Any]
) -> asyncpg.Record:
    async with auth.context.auth_database.acquire() as connection:
        row = await users.find_by_email(connection, email)
        if row is not None:
            return row
        try:
            async with connection.transaction():
                return await users.create(connection, email, encrypted_password, metadata)
        except asyncpg.UniqueViolationError:  # somebody signed up with it a moment ago
            row = await users.find_by_email(connection, email)
            if row is None:
                raise
            return row

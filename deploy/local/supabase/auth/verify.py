"""Codes come back: a confirmed address and a session."""

from typing import Any

import asyncpg
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.auth import codes, sessions, users
from deploy.local.supabase.auth.configuration import CONFIGURATION
from deploy.local.supabase.auth.errors import AuthError, body_of, invalid, text
from deploy.local.supabase.auth.service import Auth, require_apikey

CHANGE: tuple[codes.CodeType, ...] = ("email_change_token_new", "email_change_token_current")
# A sign-in code for an address that was never confirmed is a confirmation code.
ACCEPTED: dict[str, tuple[codes.CodeType, ...]] = {
    "signup": ("confirmation_token",),
    "invite": ("confirmation_token",),
    "email": ("confirmation_token", "recovery_token"),
    "magiclink": ("confirmation_token", "recovery_token"),
    "recovery": ("recovery_token",),
    "email_change": CHANGE,
}
# The hosted service's own words: it speaks of links whatever its mails show.
ONE_OF_TWO = {
    "code": "200",
    "msg": "Confirmation link accepted. Please proceed to confirm link sent to the other email",
}


async def verify(auth: Auth, request: Request) -> Response:
    """A session for a good code. A wrong, used, expired or unknown one all get the same answer.

    Where both addresses confirm a change, the first of the two codes gets a word of thanks instead.
    """
    require_apikey(auth, request)
    body = await body_of(request)
    kind = text(body, "type")
    if kind not in ACCEPTED:
        raise invalid("Verify requires a verification type")
    code = text(body, "token").strip()
    if not code:
        raise invalid("Verify requires a token and an email")
    email = users.normal_email(text(body, "email"))
    answer: dict[str, Any] | None = None
    async with auth.context.auth_database.acquire() as connection, connection.transaction():
        for row in await _addressed(connection, kind, email):
            used = await codes.redeem(auth, connection, row["id"], kinds=ACCEPTED[kind], email=email, code=code)
            if used is None:
                continue
            if used in CHANGE and not await _confirmed_by_all(connection, row):
                answer = ONE_OF_TWO
            else:
                await users.confirm_email(connection, row["id"], row["email_change"] if used in CHANGE else None)
                user_agent = request.headers.get("user-agent", "")
                answer = await sessions.open_session(auth, connection, row["id"], "otp", user_agent)
            break
    if answer is None:
        raise AuthError(403, "otp_expired", "Token has expired or is invalid")
    return JSONResponse(answer)


async def _addressed(connection: Any, kind: str, email: str) -> list[asyncpg.Record]:
    """Whose code it may be, locked. A change is confirmed from the new address, and from the one that it replaces."""
    matches = "(email_change = $1 or email = $1 and email_change <> '')" if kind == "email_change" else "email = $1"
    rows: list[asyncpg.Record] = await connection.fetch(
        f"select * from auth.users where {matches} and deleted_at is null order by id for update",  # noqa: S608
        email,
    )
    return rows


async def _confirmed_by_all(connection: Any, row: asyncpg.Record) -> bool:
    """Whether this confirmation was the last one that the change needs; otherwise it is noted as the first."""
    if not CONFIGURATION.both_addresses_confirm or row["email_change_confirm_status"] == 1:
        return True
    await connection.execute("update auth.users set email_change_confirm_status = 1 where id = $1", row["id"])
    return False

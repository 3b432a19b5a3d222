"""Codes come back: a confirmed address and a session."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.auth import codes, sessions, users
from deploy.local.supabase.auth.errors import AuthError, body_of, invalid, text
from deploy.local.supabase.auth.service import Auth, require_apikey

# A sign-in code for an address that was never confirmed is a confirmation code.
ACCEPTED: dict[str, tuple[codes.CodeType, ...]] = {
    "signup": ("confirmation_token",),
    "invite": ("confirmation_token",),
    "email": ("confirmation_token", "recovery_token"),
    "magiclink": ("confirmation_token", "recovery_token"),
    "recovery": ("recovery_token",),
    "email_change": ("email_change_token_new",),
}


async def verify(auth: Auth, request: Request) -> Response:
    """A session for a good code. A wrong, used, expired or unknown one all get the same answer."""
    require_apikey(auth, request)
    body = await body_of(request)
    kind = text(body, "type")
    if kind not in ACCEPTED:
        raise invalid("Verify requires a verification type")
    code = text(body, "token").strip()
    if not code:
        raise invalid("Verify requires a token and an email")
    email = users.normal_email(text(body, "email"))
    session: dict[str, Any] | None = None
    async with auth.context.auth_database.acquire() as connection, connection.transaction():
        column = "email_change" if kind == "email_change" else "email"
        row = await connection.fetchrow(
            f"select * from auth.users where {column} = $1 and deleted_at is null for update",  # noqa: S608
            email,
        )
        if row is not None:
            used = await codes.redeem(auth, connection, row["id"], kinds=ACCEPTED[kind], email=email, code=code)
            if used is not None:
                await users.confirm_email(connection, row["id"], email if used == "email_change_token_new" else None)
                user_agent = request.headers.get("user-agent", "")
                session = await sessions.open_session(auth, connection, row["id"], "otp", user_agent)
    if session is None:
        raise AuthError(403, "otp_expired", "Token has expired or is invalid")
    return JSONResponse(session)

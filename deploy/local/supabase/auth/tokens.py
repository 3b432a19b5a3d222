"""`POST /token`: a password or a refresh token becomes an access token."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.auth import passwords, sessions, users
from deploy.local.supabase.auth.errors import AuthError, body_of, text
from deploy.local.supabase.auth.service import Auth, require_apikey


async def token(auth: Auth, request: Request) -> Response:
    """Both grants that the app uses."""
    require_apikey(auth, request)
    match request.query_params.get("grant_type"):
        case "password":
            return await _with_password(auth, request)
        case "refresh_token":
            return await _with_refresh_token(auth, request)
        case _:
            raise AuthError(400, "invalid_credentials", "unsupported_grant_type")


async def _with_password(auth: Auth, request: Request) -> Response:
    body = await body_of(request)
    email = text(body, "email").lower()
    async with auth.context.auth_database.acquire() as connection:
        row = await users.find_by_email(connection, email)
    good = await passwords.matches(text(body, "password"), row["encrypted_password"] if row is not None else None)
    if row is None or not good:
        raise AuthError(400, "invalid_credentials", "Invalid login credentials")
    if row["email_confirmed_at"] is None:
        raise AuthError(400, "email_not_confirmed", "Email not confirmed")
    async with auth.context.auth_database.acquire() as connection, connection.transaction():
        user_agent = request.headers.get("user-agent", "")
        session = await sessions.open_session(auth, connection, row["id"], "password", user_agent)
    return JSONResponse({**session, "weak_password": None})


async def _with_refresh_token(auth: Auth, request: Request) -> Response:
    body = await body_of(request)
    async with auth.context.auth_database.acquire() as connection, connection.transaction():
        session = await sessions.refresh(auth, connection, text(body, "refresh_token"))
    if session is None:
        raise AuthError(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
    return JSONResponse(session)

"""Sessions and their tokens: ES256 access tokens, refresh tokens that rotate and notice reuse."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
import orjson

from deploy.local.supabase.auth import users
from deploy.local.supabase.auth.errors import AuthError
from deploy.local.supabase.auth.service import ACCESS_TOKEN_SECONDS, Auth

REUSE_SECONDS = 10
Method = Literal["password", "otp"]


async def open_session(auth: Auth, connection: Any, user_id: UUID, method: Method, user_agent: str) -> dict[str, Any]:
    """A new session with its first tokens, as the body of the answer."""
    session_id = uuid4()
    await connection.execute(
        "insert into auth.sessions (id, user_id, created_at, updated_at, aal, user_agent)"
        " values ($1, $2, now(), now(), 'aal1', $3)",
        session_id,
        user_id,
        user_agent[:500],
    )
    await connection.execute(
        "insert into auth.mfa_amr_claims (id, session_id, created_at, updated_at, authentication_method)"
        " values ($1, $2, now(), now(), $3)",
        uuid4(),
        session_id,
        method,
    )
    await connection.execute("update auth.users set last_sign_in_at = now() where id = $1", user_id)
    token = await _new_refresh_token(connection, user_id, session_id, parent=None)
    return await _body(auth, connection, user_id, session_id, token)


async def refresh(auth: Auth, connection: Any, token: str) -> dict[str, Any] | None:
    """New tokens for a refresh token; `None` when it was stolen or replayed, and then its whole session is revoked.

    Repeating the immediate parent of the current token, or one revoked seconds ago, is a client whose answer was
    lost: it gets the current token again. Commit also on `None`. Raises `AuthError` for an unknown token.
    """
    row = await connection.fetchrow(
        "select t.id, t.user_id, t.session_id, t.revoked, t.updated_at from auth.refresh_tokens t where t.token = $1",
        token,
    )
    if row is None:
        raise AuthError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
    session_id = row["session_id"]
    # One refresh of a session at a time, whichever of its tokens comes.
    if await connection.fetchrow("select id from auth.sessions where id = $1 for update", session_id) is None:
        raise AuthError(400, "session_not_found", "Invalid Refresh Token: Session Not Found")
    user_id = UUID(row["user_id"])
    current = await connection.fetchrow(
        "select token, parent from auth.refresh_tokens where session_id = $1 and not revoked order by id desc limit 1",
        session_id,
    )
    if current is not None and current["token"] == token:
        await connection.execute(
            "update auth.refresh_tokens set revoked = true, updated_at = now() where id = $1", row["id"]
        )
        await connection.execute(
            "update auth.sessions set updated_at = now(), refreshed_at = now() at time zone 'utc' where id = $1",
            session_id,
        )
        fresh = await _new_refresh_token(connection, user_id, session_id, parent=token)
        return await _body(auth, connection, user_id, session_id, fresh)
    if current is not None and (current["parent"] == token or _just_revoked(row)):
        return await _body(auth, connection, user_id, session_id, current["token"])
    await connection.execute(
        "update auth.refresh_tokens set revoked = true, updated_at = now() where session_id = $1", session_id
    )
    return None


async def close_sessions(
    connection: Any, user_id: UUID, session_id: UUID | None, scope: Literal["global", "local", "others"]
) -> None:
    """Deletes the sessions in scope; their refresh tokens go with them."""
    await connection.execute(
        "delete from auth.sessions where user_id = $1 and case $3::text when 'global' then true"
        " when 'local' then id = $2 else id is distinct from $2 end",
        user_id,
        session_id,
        scope,
    )


def _just_revoked(row: asyncpg.Record) -> bool:
    updated: datetime = row["updated_at"]
    return datetime.now(UTC) - updated < timedelta(seconds=REUSE_SECONDS)


async def _new_refresh_token(connection: Any, user_id: UUID, session_id: UUID, parent: str | None) -> str:
    token = secrets.token_urlsafe(24)
    await connection.execute(
        "insert into auth.refresh_tokens (instance_id, token, user_id, revoked, created_at, updated_at, parent,"
        " session_id) values ($1, $2, $3, false, now(), now(), $4, $5)",
        users.NO_INSTANCE,
        token,
        str(user_id),
        parent,
        session_id,
    )
    return token


async def _body(auth: Auth, connection: Any, user_id: UUID, session_id: UUID, refresh_token: str) -> dict[str, Any]:
    row = await users.find(connection, user_id)
    if row is None:
        raise AuthError(403, "user_not_found", "User from sub claim in JWT does not exist")
    method = await connection.fetchrow(
        "select authentication_method, created_at from auth.mfa_amr_claims where session_id = $1", session_id
    )
    now = int(time.time())
    expires_at = now + ACCESS_TOKEN_SECONDS
    claims = {
        "iss": auth.issuer,
        "sub": str(user_id),
        "aud": row["aud"],
        "exp": expires_at,
        "iat": now,
        "email": row["email"],
        "phone": row["phone"] or "",
        "app_metadata": orjson.loads(row["raw_app_meta_data"] or "{}"),
        "user_metadata": orjson.loads(row["raw_user_meta_data"] or "{}"),
        "role": row["role"],
        "aal": "aal1",
        "amr": [{"method": method["authentication_method"], "timestamp": int(method["created_at"].timestamp())}],
        "session_id": str(session_id),
        "is_anonymous": row["is_anonymous"],
    }
    return {
        "access_token": auth.context.keys.sign(claims),
        "token_type": "bearer",
        "expires_in": ACCESS_TOKEN_SECONDS,
        "expires_at": expires_at,
        "refresh_token": refresh_token,
        "user": await users.body(connection, row),
    }

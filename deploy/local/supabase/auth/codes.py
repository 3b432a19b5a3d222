"""Codes of so many digits as the project says: issued to an address, kept as a keyed hash, good for one use, a time
and five guesses."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from deploy.local.supabase.auth.service import CODE_DIGITS, CODE_GUESSES, CODE_SECONDS, Auth

CodeType = Literal["confirmation_token", "recovery_token", "email_change_token_new", "email_change_token_current"]


async def issue(auth: Auth, connection: Any, user_id: UUID, kind: CodeType, email: str) -> str:
    """A new code for the address, replacing an earlier one of its kind. Send it after the transaction commits."""
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    await connection.execute(
        "delete from auth.one_time_tokens where user_id = $1 and token_type = $2::text::auth.one_time_token_type",
        user_id,
        kind,
    )
    await connection.execute(
        "insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to)"
        " values ($1, $2, $3::text::auth.one_time_token_type, $4, $5)",
        uuid4(),
        user_id,
        kind,
        _hash(auth, user_id, email, code),
        email,
    )
    auth.wrong_guesses.pop(user_id, None)
    return code


async def redeem(
    auth: Auth, connection: Any, user_id: UUID, *, kinds: Sequence[CodeType], email: str, code: str
) -> CodeType | None:
    """The kind of the code given, which is used up by that; `None` when no such code is good.

    Call it inside a transaction that holds a lock on the user's row, and commit also on `None`: the guess that
    uses up the last try deletes the codes.
    """
    rows = await connection.fetch(
        "select token_type::text as kind, token_hash, created_at from auth.one_time_tokens"
        " where user_id = $1 and token_type::text = any($2::text[])",
        user_id,
        list(kinds),
    )
    expected = _hash(auth, user_id, email, code)
    oldest = datetime.now(UTC) - timedelta(seconds=CODE_SECONDS)
    found: CodeType | None = None
    for row in rows:
        created: datetime = row["created_at"]
        fresh = (created if created.tzinfo else created.replace(tzinfo=UTC)) > oldest
        if hmac.compare_digest(row["token_hash"], expected) and fresh:
            found = row["kind"]
    if found is not None:
        await connection.execute(
            "delete from auth.one_time_tokens where user_id = $1 and token_type::text = $2", user_id, found
        )
        auth.wrong_guesses.pop(user_id, None)
        return found
    if rows:
        auth.wrong_guesses[user_id] = auth.wrong_guesses.get(user_id, 0) + 1
        if auth.wrong_guesses[user_id] >= CODE_GUESSES:
            del auth.wrong_guesses[user_id]
            await connection.execute("delete from auth.one_time_tokens where user_id = $1", user_id)
    return None


def _hash(auth: Auth, user_id: UUID, email: str, code: str) -> str:
    # Keyed, because a million codes are hashed in a second.
    key = auth.context.keys.derived("one-time-codes")
    return hmac.new(key, f"{user_id}:{email}:{code}".encode(), hashlib.sha256).hexdigest()

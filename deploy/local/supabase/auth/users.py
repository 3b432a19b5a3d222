"""Users and their e-mail identity in `auth.users` and `auth.identities`, and the user object that clients read."""

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import structlog

from deploy.local.supabase.auth.errors import AuthError, invalid

log = structlog.get_logger()
NO_INSTANCE = UUID(int=0)
ADDRESS = re.compile(r"[^\s@<>\"(),:;\\\[\]]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z0-9-]{2,63}", re.ASCII)


def normal_email(email: str) -> str:
    """Lower case. Raises `AuthError` for what is no address."""
    if len(email) > 255 or ADDRESS.fullmatch(email) is None:
        raise invalid("Unable to validate email address: invalid format")
    return email.lower()


async def find_by_email(connection: Any, email: str, *, lock: bool = False) -> asyncpg.Record | None:
    query = "select * from auth.users where email = $1 and deleted_at is null"
    row: asyncpg.Record | None = await connection.fetchrow(query + (" for update" if lock else ""), email)
    return row


async def find(connection: Any, user_id: UUID) -> asyncpg.Record | None:
    row: asyncpg.Record | None = await connection.fetchrow(
        "select * from auth.users where id = $1 and deleted_at is null", user_id
    )
    return row


async def create(
    connection: Any,
    email: str,
    encrypted_password: str | None,
    user_metadata: dict[str, Any],
    app_metadata: dict[str, Any] | None = None,
    *,
    confirmed: bool = False,
    user_id: UUID | None = None,
) -> asyncpg.Record:
    """A user with an e-mail identity. Raises `AuthError` when a trigger on `auth.users` fails.

    `asyncpg.UniqueViolationError` when the address is taken.
    """
    user_id = user_id or uuid4()
    identity = {"sub": str(user_id), "email": email, "email_verified": confirmed, "phone_verified": False}
    now = datetime.now(UTC)
    try:
        row: asyncpg.Record = await connection.fetchrow(
            "insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at,"
            " raw_app_meta_data, raw_user_meta_data, created_at, updated_at)"
            " values ($1, $2, 'authenticated', 'authenticated', $3, $4, $5, $6::text::jsonb, $7::text::jsonb, $8, $8)"
            " returning *",
            NO_INSTANCE,
            user_id,
            email,
            encrypted_password,
            now if confirmed else None,
            _json({**(app_metadata or {}), "provider": "email", "providers": ["email"]}),
            _json({**user_metadata, **identity}),
            now,
        )
    except asyncpg.UniqueViolationError as error:
        if error.schema_name == "auth":
            raise
        raise _refused_by_trigger(error) from error
    except asyncpg.PostgresError as error:
        raise _refused_by_trigger(error) from error
    await connection.execute(
        "insert into auth.identities (id, provider_id, user_id, identity_data, provider, last_sign_in_at, created_at,"
        " updated_at) values ($1, $2, $3, $4::text::jsonb, 'email', $5, $5, $5)",
        uuid4(),
        str(user_id),
        user_id,
        _json(identity),
        now,
    )
    return row


async def confirm_email(connection: Any, user_id: UUID, new_email: str | None = None) -> None:
    """Marks the address as the user's own, after a change with the new address."""
    patch = _json({"email_verified": True, **({"email": new_email} if new_email is not None else {})})
    await connection.execute(
        "update auth.users set email_confirmed_at = coalesce(email_confirmed_at, now()), email = coalesce($2, email),"
        " email_change = case when $2::text is null then email_change else '' end,"
        " email_change_confirm_status = case when $2::text is null then email_change_confirm_status else 0 end,"
        " raw_user_meta_data = raw_user_meta_data || $3::text::jsonb, updated_at = now() where id = $1",
        user_id,
        new_email,
        patch,
    )
    await connection.execute(
        "update auth.identities set identity_data = identity_data || $2::text::jsonb, updated_at = now()"
        " where user_id = $1 and provider = 'email'",
        user_id,
        patch,
    )


async def body(connection: Any, row: asyncpg.Record) -> dict[str, Any]:
    """The user object of the wire."""
    identities = await connection.fetch("select * from auth.identities where user_id = $1", row["id"])
    return user_body(row, [_identity_body(identity) for identity in identities])


def user_body(row: asyncpg.Record, identities: list[dict[str, Any]]) -> dict[str, Any]:
    content = {
        "id": str(row["id"]),
        "aud": row["aud"],
        "role": row["role"],
        "email": row["email"],
        "phone": row["phone"] or "",
        "app_metadata": orjson.loads(row["raw_app_meta_data"] or "{}"),
        "user_metadata": orjson.loads(row["raw_user_meta_data"] or "{}"),
        "identities": identities,
        "is_anonymous": row["is_anonymous"],
    }
    if row["email_change"]:
        content["new_email"] = row["email_change"]
    moments = {
        "email_confirmed_at": row["email_confirmed_at"],
        "confirmed_at": row["confirmed_at"],
        "confirmation_sent_at": row["confirmation_sent_at"],
        "recovery_sent_at": row["recovery_sent_at"],
        "email_change_sent_at": row["email_change_sent_at"],
        "last_sign_in_at": row["last_sign_in_at"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
    return content | {name: moment(value) for name, value in moments.items() if value is not None}


def unknown_user_body(email: str, user_metadata: dict[str, Any]) -> dict[str, Any]:
    """What a sign-up with a taken address answers: like a new user, but of nobody."""
    now = moment(datetime.now(UTC))
    return {
        "id": str(uuid4()),
        "aud": "authenticated",
        "role": "",
        "email": email,
        "phone": "",
        "confirmation_sent_at": now,
        "app_metadata": {"provider": "email", "providers": ["email"]},
        "user_metadata": user_metadata,
        "identities": [],
        "created_at": now,
        "updated_at": now,
        "is_anonymous": False,
    }


def moment(value: datetime) -> str:
    """ISO 8601 in UTC with a `Z`, as the clients parse it."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _identity_body(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "identity_id": str(row["id"]),
        "id": row["provider_id"],
        "user_id": str(row["user_id"]),
        "identity_data": orjson.loads(row["identity_data"]),
        "provider": row["provider"],
        "email": row["email"],
        **{
            name: moment(row[name]) for name in ("last_sign_in_at", "created_at", "updated_at") if row[name] is not None
        },
    }


def _json(value: dict[str, Any]) -> str:
    return orjson.dumps(value).decode()


def _refused_by_trigger(error: asyncpg.PostgresError) -> AuthError:
    log.warning("new_user_refused", sqlstate=error.sqlstate, error=str(error))
    return AuthError(500, "unexpected_failure", "Database error saving new user")

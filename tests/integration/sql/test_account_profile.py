"""What a user sets in the own row: the name that is shown, and what they want to be told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from tests.integration.sql.conftest import Server
from tests.support.accounts import Accounts


@asynccontextmanager
async def acting_as(server: Server, user: UUID) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """As the Data API runs a user's statements."""
    connection = await asyncpg.connect(server.dsn("authenticator"))
    try:
        async with connection.transaction():
            await connection.execute("set local role authenticated")
            claims = orjson.dumps({"role": "authenticated", "sub": str(user)}).decode()
            await connection.execute("select set_config('request.jwt.claims', $1, true)", claims)
            yield connection
    finally:
        await connection.close()


async def named(server: Server, user: UUID, name: str | None) -> None:
    async with acting_as(server, user) as connection:
        await connection.execute("update public.users set username = $2 where id = $1", user, name)


async def prefers(server: Server, user: UUID, preferences: Any) -> None:
    async with acting_as(server, user) as connection:
        await connection.execute(
            "update public.users set notification_preferences = $2::text::jsonb where id = $1",
            user,
            orjson.dumps(preferences).decode(),
        )


async def told(accounts: Accounts, user: UUID) -> list[str]:
    rows = await accounts.database.fetch("select type from public.notifications where user_id = $1 order by id", user)
    return [row["type"] for row in rows]


async def write_one_of_each(accounts: Accounts, user: UUID) -> None:
    await accounts.database.execute(
        "insert into public.notifications (user_id, type, title_key, message_key)"
        " select $1, type, '', '' from unnest(array['offer', 'feature', 'general', 'payment']) as type",
        user,
    )


@pytest.mark.parametrize("name", ["Ada", "José Álvarez", "李小龍", "O'Brien-Smith", "a.b_c 2", "x" * 30, None, "Ж"])
async def test_a_name_is_taken(server: Server, accounts: Accounts, name: str | None) -> None:
    user = await accounts.user()
    await named(server, user, name)
    assert await accounts.database.fetchval("select username from public.users where id = $1", user) == name


@pytest.mark.parametrize(
    "name",
    [
        "", " ", " Ada", "Ada ", "A  da", "x" * 31, "a\tb", "a\nb", "Ada\n", "a\u200bb", "a\u202eb", "a\u00a0b",
        "\u3164", "<b>", "a@b.c", "a/b", "a:b", "a;b", "a\\b", "a`b", "{a}", "[a]", 'a"b', "a#b", "a=b", "\ufeffa",
        "a\u00adb", "\U000e0041",
    ],
)  # fmt: skip
async def test_a_name_that_could_mislead_is_refused_with_a_reason(
    server: Server, accounts: Accounts, name: str
) -> None:
    user = await accounts.user()
    with pytest.raises(asyncpg.CheckViolationError, match="username_invalid") as refusal:
        await named(server, user, name)
    assert "1 to 30 characters" in str(refusal.value.detail)


async def test_one_name_has_one_spelling(server: Server, accounts: Accounts) -> None:
    user = await accounts.user()
    await named(server, user, "Jose\u0301")
    assert await accounts.database.fetchval("select username from public.users where id = $1", user) == "José"


@pytest.mark.parametrize("preferences", [{"offer": "no"}, {"generation": 0}, {"feature": None}, {"payment": False}])
async def test_a_preference_that_means_nothing_is_refused_with_a_reason(
    server: Server, accounts: Accounts, preferences: dict[str, Any]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="notification_preferences_invalid"):
        await prefers(server, await accounts.user(), preferences)


async def test_everything_is_told_unless_it_was_switched_off(server: Server, accounts: Accounts) -> None:
    user = await accounts.user()
    await prefers(server, user, {"offer": True, "push": {"quiet": "22-7"}})
    await write_one_of_each(accounts, user)
    await accounts.succeeded(user)
    assert await told(accounts, user) == ["offer", "feature", "general", "payment", "generation"]


@pytest.mark.parametrize("muted", ["offer", "feature", "general"])
async def test_a_type_that_was_switched_off_is_not_told_whoever_writes_it(
    server: Server, accounts: Accounts, muted: str
) -> None:
    user = await accounts.user()
    await prefers(server, user, {muted: False})
    await write_one_of_each(accounts, user)
    assert await told(accounts, user) == [each for each in ("offer", "feature", "general", "payment") if each != muted]


async def test_money_is_always_told(server: Server, accounts: Accounts) -> None:
    user = await accounts.user()
    await prefers(server, user, dict.fromkeys(("offer", "feature", "general", "generation"), False))
    await write_one_of_each(accounts, user)
    assert await told(accounts, user) == ["payment"]


async def test_generations_end_untold_for_who_wants_it_so_and_the_books_agree(
    server: Server, accounts: Accounts
) -> None:
    user = await accounts.user()
    await prefers(server, user, {"generation": False})
    await accounts.succeeded(user)
    failed, fence = await accounts.started(user)
    await accounts.fail(failed, fence)
    retried = "select sparky.retry_generation($1)"
    assert await accounts.database.fetchval(retried, failed) == "queued"
    await prefers(server, user, {"generation": True})
    await accounts.cancel(failed, user)
    assert await told(accounts, user) == ["generation"]
    assert await accounts.violations() == []
    said = await accounts.database.fetch("select event from realtime.messages where topic = $1", f"user:{user}")
    assert [row["event"] for row in said].count("notification") == 1


async def test_a_muted_ending_that_was_lost_is_found(server: Server, accounts: Accounts) -> None:
    user = await accounts.user()
    await prefers(server, user, {"generation": False})
    generation = await accounts.succeeded(user)
    async with accounts.database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("delete from sparky.muted_endings where generation_id = $1", generation)
        found = await connection.fetch("select name from sparky.check_invariants() where violations > 0")
        await transaction.rollback()
    assert [row["name"] for row in found] == ["one_notification_per_ending"]

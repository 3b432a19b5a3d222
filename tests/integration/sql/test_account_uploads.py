"""What a user may keep in user_uploads, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.integration.sql.departures import close
from tests.support.accounts import Accounts
from tests.support.waiting import eventually

LIMITS = "update sparky.operator_settings set upload_files = $1, upload_bytes = $2"


@pytest.fixture
async def limits(accounts: Accounts) -> AsyncIterator[None]:
    """Three files and 5,000 bytes."""
    await accounts.database.execute(LIMITS, 3, 5000)
    yield
    await accounts.database.execute(LIMITS, 200, 524_288_000)


@pytest.fixture
async def patrol(accounts: Accounts) -> None:
    """A new round of the search begins."""
    await accounts.database.execute("update sparky.photo_patrol set after_name = '', next_at = now()")


async def refused(accounts: Accounts, user: UUID, size: int = 1000) -> str | None:
    try:
        await accounts.photo(user, size=size)
    except asyncpg.InsufficientPrivilegeError as error:
        return str(error.args[0])
    return None


async def stored(accounts: Accounts, user: UUID) -> int:
    return int(
        await accounts.database.fetchval("select count(*) from storage.objects where starts_with(name, $1)", f"{user}/")
    )


async def aged(accounts: Accounts, path: str, age: str) -> None:
    """As if it had been stored so long ago; a plain update would be dated by Storage's own trigger."""
    async with accounts.database.acquire() as connection, connection.transaction():
        row = await connection.fetchrow("select * from storage.objects where name = $1", path)
        assert row is not None
        await connection.execute("select set_config('storage.allow_delete_query', 'true', true)")
        await connection.execute("delete from storage.objects where name = $1", path)
        await connection.execute(
            "insert into storage.objects (bucket_id, name, metadata, created_at, updated_at)"
            " values ('user_uploads', $1, $2, now() - $3::text::interval, now() - $3::text::interval)",
            path,
            row["metadata"],
            age,
        )


async def due(accounts: Accounts, page: int = 500) -> list[str]:
    rows = await accounts.database.fetch("select * from sparky.due_photos($1)", page)
    return [row[0] for row in rows]


@pytest.mark.usefixtures("limits")
async def test_a_full_folder_takes_no_more_files(accounts: Accounts) -> None:
    user = await accounts.user()
    assert [await refused(accounts, user) for _ in range(4)] == [None, None, None, "upload_quota_exceeded"]
    assert await refused(accounts, await accounts.user()) is None


@pytest.mark.usefixtures("limits")
async def test_a_folder_takes_no_more_bytes_than_it_may_hold(accounts: Accounts) -> None:
    user = await accounts.user()
    assert [await refused(accounts, user, 2500) for _ in range(3)] == [None, None, "upload_quota_exceeded"]


@pytest.mark.usefixtures("limits")
async def test_the_limit_holds_however_many_come_at_once(accounts: Accounts) -> None:
    user = await accounts.user()
    answers = await asyncio.gather(*(refused(accounts, user) for _ in range(20)))
    assert answers.count(None) == 3
    assert await stored(accounts, user) == 3


@pytest.mark.usefixtures("limits")
async def test_an_upload_waits_for_the_one_under_way(accounts: Accounts) -> None:
    user = await accounts.user()
    for _ in range(2):
        await accounts.photo(user)
    async with accounts.database.acquire() as connection, connection.transaction():
        await connection.execute(
            "insert into storage.objects (bucket_id, name) values ('user_uploads', $1)", f"{user}/third.jpg"
        )
        fourth = asyncio.create_task(refused(accounts, user))

        async def waits_or_is_through() -> bool:
            waiting = "select exists (select from pg_catalog.pg_locks where not granted)"
            return fourth.done() or await accounts.database.fetchval(waiting)

        await eventually(waits_or_is_through)
    assert await fourth == "upload_quota_exceeded"


@pytest.mark.usefixtures("limits")
async def test_what_makes_a_full_folder_no_fuller_goes_through(accounts: Accounts) -> None:
    user = await accounts.user()
    path, *_ = [await accounts.photo(user) for _ in range(3)]
    await accounts.replace_photo(path)
    await accounts.database.execute("update storage.objects set name = $2 where name = $1", path, f"{user}/renamed.jpg")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await accounts.database.execute(
            "update storage.objects set metadata = metadata || '{\"size\": 4000}' where name = $1",
            f"{user}/renamed.jpg",
        )


async def test_folders_of_nobody_and_of_deleted_accounts_take_nothing(accounts: Accounts) -> None:
    user = await accounts.user()
    await close(accounts, user)
    assert await refused(accounts, user) == "account_deleted"
    assert await refused(accounts, uuid4()) == "account_deleted"


async def test_an_upload_opens_an_account_that_sign_up_could_not_open(accounts: Accounts) -> None:
    user = uuid4()
    async with accounts.database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("alter table public.users rename column credits to credits_gone")
        await connection.execute("insert into auth.users (id, email) values ($1, $2)", user, f"{user}@example.com")
        await connection.execute("alter table public.users rename column credits_gone to credits")
        await transaction.commit()
    assert await refused(accounts, user) is None
    assert await accounts.balance(user) == 10


@pytest.mark.usefixtures("patrol")
async def test_a_photo_goes_after_its_days_and_not_before(accounts: Accounts) -> None:
    user = await accounts.user()
    old, young = await accounts.photo(user), await accounts.photo(user)
    await aged(accounts, old, "31 days")
    await aged(accounts, young, "29 days")
    found = await due(accounts)
    assert old in found
    assert young not in found


@pytest.mark.usefixtures("patrol")
async def test_a_photo_that_an_open_generation_needs_stays(accounts: Accounts) -> None:
    user = await accounts.user(plan=3)
    waiting, done = await accounts.photo(user), await accounts.photo(user)
    await accounts.submit(user, waiting)
    await accounts.succeeded(user, path=done)
    for path in (waiting, done):
        await aged(accounts, path, "31 days")
    found = await due(accounts)
    assert done in found
    assert waiting not in found


async def test_a_photo_past_its_time_is_not_taken_for_new_work(accounts: Accounts) -> None:
    user = await accounts.user()
    photo = await accounts.photo(user)
    await aged(accounts, photo, "30 days 1 second")
    assert (await accounts.submit(user, photo))["outcome"] == "source_not_found"


@pytest.mark.usefixtures("patrol")
async def test_what_could_still_be_submitted_an_hour_ago_is_not_removed_yet(accounts: Accounts) -> None:
    photo = await accounts.photo(await accounts.user())
    await aged(accounts, photo, "30 days 59 minutes")
    assert photo not in await due(accounts)


@pytest.mark.usefixtures("patrol")
async def test_the_operator_sets_the_days(accounts: Accounts) -> None:
    photo = await accounts.photo(await accounts.user())
    await aged(accounts, photo, "31 days")
    await accounts.database.execute("update sparky.operator_settings set keep_photos = '90 days'")
    try:
        assert photo not in await due(accounts)
    finally:
        await accounts.database.execute("update sparky.operator_settings set keep_photos = '30 days'")


@pytest.mark.usefixtures("patrol")
async def test_the_search_goes_page_by_page_through_everything_and_then_rests(accounts: Accounts) -> None:
    user = await accounts.user()
    old = {await accounts.photo(user) for _ in range(7)}
    for path in old:
        await aged(accounts, path, "31 days")
    total = await accounts.database.fetchval("select count(*) from storage.objects where bucket_id = 'user_uploads'")
    found: list[str] = []
    for _ in range(total // 3 + 1):
        found += await due(accounts, 3)
    assert old <= set(found)
    assert len(found) == len(set(found))
    assert await accounts.database.fetchval("select next_at > now() from sparky.photo_patrol")
    assert await due(accounts) == []

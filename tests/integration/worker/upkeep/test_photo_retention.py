"""Photos go when their time is over: through Storage, so that the bytes go with the row."""

from pathlib import Path

import asyncpg
import httpx
import pytest

from deploy.local.stack import Stack
from tests.support.accounts import Accounts
from tests.support.customers import Customer, signed_in
from worker.failures import AttemptError
from worker.photo_retention import PhotoRetention
from worker.resources import Resources

ROUND = "update sparky.photo_patrol set after_name = '', next_at = now()"


@pytest.fixture
async def search(resources: Resources, accounts: Accounts) -> PhotoRetention:
    """A new round of it."""
    await accounts.database.execute(ROUND)
    return PhotoRetention(resources.database, resources.storage)


def files(stack: Stack) -> set[Path]:
    return {path for path in (stack.directory / "storage").rglob("*") if path.is_file()}


async def make_old(stack: Stack, path: str) -> None:
    """As if it had been stored 31 days ago; only a superuser gets past Storage's own dating of its rows."""
    connection = await asyncpg.connect(stack.database_url("supabase_admin"))
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(
            "update storage.objects set updated_at = now() - interval '31 days' where name = $1", path
        )
    finally:
        await connection.close()


async def photos(accounts: Accounts, customer: Customer) -> set[str]:
    rows = await accounts.database.fetch(
        "select name from storage.objects where starts_with(name, $1)", f"{customer.id}/"
    )
    return {row["name"] for row in rows}


async def test_old_photos_go_with_their_bytes_and_others_stay(
    search: PhotoRetention, stack: Stack, accounts: Accounts
) -> None:
    async with signed_in(stack) as customer:
        young = await customer.upload()
        before = files(stack)
        old, needed = await customer.upload(), await customer.upload("needed.jpg", b"\xff\xd8 another")
        await accounts.submit(customer.id, needed)
        for path in (old, needed):
            await make_old(stack, path)

        await search.photos()

        assert await photos(accounts, customer) == {young, needed}
        assert len(files(stack) - before) == 1


async def test_a_photo_stored_anew_under_an_old_name_counts_from_then(
    search: PhotoRetention, stack: Stack, accounts: Accounts
) -> None:
    async with signed_in(stack) as customer:
        path = await customer.upload("me.jpg")
        await make_old(stack, path)
        await customer.upload("me.jpg", b"\xff\xd8 another", replace=True)
        await search.photos()
        assert await photos(accounts, customer) == {path}


async def test_what_storage_did_not_remove_is_found_by_the_next_round(
    search: PhotoRetention, stack: Stack, accounts: Accounts
) -> None:
    async with signed_in(stack) as customer:
        await make_old(stack, await customer.upload())
        fault = {"match": "storage remove", "kind": "status"}
        async with httpx.AsyncClient(base_url=stack.supabase_url, trust_env=False) as client:
            await client.post("/local/faults", json=fault, headers={"apikey": stack.secret_key})
        with pytest.raises(AttemptError):
            await search.photos()
        assert len(await photos(accounts, customer)) == 1
        await accounts.database.execute(ROUND)
        await search.photos()
        assert await photos(accounts, customer) == set()

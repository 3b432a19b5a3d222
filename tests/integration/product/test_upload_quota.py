"""The quota of an upload folder against genuine clients with genuine tokens: every way in, and what stays possible."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from storage3.exceptions import StorageApiError

from deploy.local.stack import Stack
from tests.support.accounts import Accounts, open_accounts
from tests.support.customers import Customer, signed_in
from tests.support.stack import temporary_stack

LIMITS = "update sparky.operator_settings set upload_files = $1, upload_bytes = $2"
BYTES = 10_000
REFUSED = "upload_quota_exceeded"


@pytest.fixture(scope="module")
async def own_stack() -> AsyncIterator[Stack]:
    """Of our own, as the limits are everybody's."""
    async with temporary_stack("intake") as stack:
        yield stack


@pytest.fixture(scope="module")
async def limited(own_stack: Stack) -> AsyncIterator[Accounts]:
    """Three files and 100,000 bytes."""
    async with open_accounts(own_stack.database_url("postgres")) as accounts:
        await accounts.database.execute(LIMITS, 3, 100_000)
        yield accounts


@pytest.fixture
async def full(own_stack: Stack, limited: Accounts) -> AsyncIterator[Customer]:
    """Somebody with three photos, `0.jpg` to `2.jpg`."""
    async with signed_in(own_stack) as customer:
        for number in range(3):
            await customer.upload(f"{number}.jpg", bytes(BYTES))
        yield customer


async def names(accounts: Accounts, customer: Customer) -> set[str]:
    rows = await accounts.database.fetch(
        "select name from storage.objects where starts_with(name, $1)", f"{customer.id}/"
    )
    return {row["name"].rpartition("/")[2] for row in rows}


def files(stack: Stack) -> int:
    return sum(path.is_file() for path in (stack.directory / "storage").rglob("*"))


async def test_no_way_in_goes_past_the_limit(own_stack: Stack, limited: Accounts, full: Customer) -> None:
    bucket = full.supabase.storage.from_("user_uploads")
    on_disk = files(own_stack)
    target = f"{full.id}/more.jpg"
    ways: dict[str, Any] = {
        "upload": lambda: full.upload("more.jpg"),
        "upsert": lambda: full.upload("more.jpg", replace=True),
        "deeper": lambda: full.upload("deep/er/more.jpg"),
        "copy": lambda: bucket.copy(f"{full.id}/0.jpg", target),
        "signed upload": lambda: bucket.create_signed_upload_url(target),
    }
    for way in ways.values():
        with pytest.raises(StorageApiError, match=REFUSED) as refusal:
            await way()
        assert str(refusal.value.status) == "403"
    assert await names(limited, full) == {"0.jpg", "1.jpg", "2.jpg"}
    assert files(own_stack) == on_disk


async def test_an_upload_signed_while_there_was_room_is_refused_when_there_is_none(
    own_stack: Stack, limited: Accounts
) -> None:
    async with signed_in(own_stack) as customer:
        bucket = customer.supabase.storage.from_("user_uploads")
        signed = [await bucket.create_signed_upload_url(f"{customer.id}/{number}.jpg") for number in range(4)]
        for url in signed[:3]:
            await bucket.upload_to_signed_url(url["path"], url["token"], bytes(10), {"content-type": "image/jpeg"})
        with pytest.raises(StorageApiError, match=REFUSED):
            await bucket.upload_to_signed_url(
                signed[3]["path"], signed[3]["token"], bytes(10), {"content-type": "image/jpeg"}
            )
        assert len(await names(limited, customer)) == 3


async def test_a_larger_version_counts_with_its_bytes(limited: Accounts, full: Customer) -> None:
    with pytest.raises(StorageApiError, match=REFUSED):
        await full.upload("0.jpg", bytes(100_000), replace=True)
    await full.upload("0.jpg", bytes(70_000), replace=True)
    size = "select (metadata ->> 'size')::integer from storage.objects where name = $1"
    assert await limited.database.fetchval(size, f"{full.id}/0.jpg") == 70_000


async def test_a_full_folder_can_be_tidied(limited: Accounts, full: Customer) -> None:
    bucket = full.supabase.storage.from_("user_uploads")
    await bucket.move(f"{full.id}/0.jpg", f"{full.id}/kept/0.jpg")
    await full.upload("1.jpg", bytes(BYTES), replace=True)
    await bucket.remove([f"{full.id}/2.jpg"])
    await full.upload("3.jpg", bytes(BYTES))
    assert await names(limited, full) == {"0.jpg", "1.jpg", "3.jpg"}


async def test_however_many_come_at_once_no_more_get_in(own_stack: Stack, limited: Accounts) -> None:
    on_disk = files(own_stack)
    async with signed_in(own_stack) as customer:
        answers = await asyncio.gather(
            *(customer.upload(f"{number}.jpg", bytes(BYTES)) for number in range(12)), return_exceptions=True
        )
        refused = [answer for answer in answers if isinstance(answer, StorageApiError)]
        assert len(refused) == 9
        assert len(await names(limited, customer)) == 3
    assert files(own_stack) == on_disk + 3


async def test_the_folder_of_somebody_else_is_not_filled_for_them(
    own_stack: Stack, limited: Accounts, full: Customer
) -> None:
    async with signed_in(own_stack) as stranger:
        bucket = stranger.supabase.storage.from_("user_uploads")
        own = await stranger.upload()
        for attack in (
            bucket.upload(f"{full.id}/x.jpg", bytes(10), {"content-type": "image/jpeg"}),
            bucket.copy(own, f"{full.id}/x.jpg"),
            bucket.move(own, f"{full.id}/x.jpg"),
        ):
            with pytest.raises(StorageApiError):
                await attack
    assert await names(limited, full) == {"0.jpg", "1.jpg", "2.jpg"}

"""Private results over the whole product: the worker stores, the intake signs, and nobody else can look."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from tests.integration.product.conftest import QUICK
from tests.support.accounts import open_accounts
from tests.support.customers import Customer, signed_in
from tests.support.stack import temporary_stack


@pytest.fixture
async def private_stack() -> AsyncIterator[Stack]:
    async with temporary_stack(environment=QUICK | {"RESULTS_PRIVATE": "true"}) as stack:
        async with open_accounts(stack.database_url("postgres"), 1) as accounts:
            await accounts.database.execute("update storage.buckets set public = false where id = 'generations'")
        yield stack


@pytest.fixture
async def owner(private_stack: Stack) -> AsyncIterator[Customer]:
    async with signed_in(private_stack) as customer:
        yield customer


async def test_a_private_result_is_seen_by_its_owner_only(private_stack: Stack, owner: Customer) -> None:
    path = await owner.upload()
    generation = await owner.finished(path)
    again = (await owner.submit(path)).json()
    rows = owner.supabase.table("generations").select("image_path").eq("id", generation["id"])
    row: Any = (await rows.single().execute()).data
    name = row["image_path"]
    assert "://" not in name
    async with httpx.AsyncClient(trust_env=False) as anybody:
        pictures = [(await anybody.get(body["imageUrl"])).content for body in (generation, again)]
        public = f"{private_stack.supabase_url}/storage/v1/object/public/generations/{name}"
        refused = (await anybody.get(public)).status_code
    assert again["cached"] is True
    assert pictures[0] == pictures[1] == await owner.supabase.storage.from_("generations").download(name)
    assert refused in (400, 404)
    async with signed_in(private_stack) as stranger:
        with pytest.raises(Exception, match="not found"):
            await stranger.supabase.storage.from_("generations").download(name)

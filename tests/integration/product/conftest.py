"""The whole product on the embedded stack: intake, queue, worker, Storage, Realtime, with a Gemini that obeys."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from tests.support.accounts import Accounts, open_accounts
from tests.support.customers import Customer, signed_in
from tests.support.stack import temporary_stack

# Short waits, so that what takes minutes in production takes moments here.
QUICK = {
    "WORKER_BACKOFF_SECONDS": "0.05",
    "WORKER_BACKOFF_MAX_SECONDS": "0.2",
    "WORKER_LEASE_SECONDS": "2",
    "WORKER_RENEW_SECONDS": "0.5",
    "WORKER_SWEEP_SECONDS": "0.2",
    "GEMINI_TIMEOUT_SECONDS": "10",
    "ORDER_INQUIRY_SECONDS": "1",
}


@dataclass(frozen=True)
class Gemini:
    """The stand-in, told what to do and asked what it saw."""

    client: httpx.AsyncClient

    async def behave(self, *rules: dict[str, Any]) -> None:
        (await self.client.post("/local/script", json=list(rules))).raise_for_status()

    async def calls(self) -> int:
        """Calls since the test began."""
        return len((await self.client.get("/local/calls")).raise_for_status().json()["calls"])


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack(environment=QUICK) as stack:
        yield stack


@pytest.fixture(scope="session")
async def accounts(stack: Stack) -> AsyncIterator[Accounts]:
    async with open_accounts(stack.database_url("postgres"), 10) as accounts:
        yield accounts


@pytest.fixture
async def gemini(stack: Stack) -> AsyncIterator[Gemini]:
    async with httpx.AsyncClient(base_url=stack.gemini_url or "", trust_env=False) as client:
        await client.delete("/local/calls")
        yield Gemini(client)
        await client.delete("/local/script")


@pytest.fixture
async def customer(stack: Stack) -> AsyncIterator[Customer]:
    async with signed_in(stack) as customer:
        yield customer

"""What Realtime tells clients of the whole product: with row events and without, and when the catalogue changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from realtime import AsyncRealtimeChannel, RealtimePostgresChangesListenEvent, RealtimeSubscribeStates
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from deploy.local.stack import Stack
from tests.support.accounts import Accounts
from tests.support.customers import Customer
from tests.support.waiting import PATIENCE_SECONDS, eventually

PRIVATE: Any = {"config": {"private": True, "broadcast": None, "presence": None}}


class Ear:
    """Listens with supabase-py's own client and keeps what it hears, in order."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.rows: list[tuple[str, str, dict[str, Any]]] = []
        self.broadcasts: list[tuple[str, dict[str, Any]]] = []

    async def to_rows(self, *tables: str) -> None:
        """Returns when changes are really delivered."""
        ready = asyncio.Event()
        channel = self.client.channel("rows")
        for table in tables:
            channel.on_postgres_changes(RealtimePostgresChangesListenEvent.All, self._row, table=table)
        channel.on_system(lambda _: ready.set())
        await channel.subscribe()
        await asyncio.wait_for(ready.wait(), PATIENCE_SECONDS)

    async def to_channel(self, topic: str, *events: str) -> None:
        channel = self.client.channel(topic, PRIVATE)
        for event in events:
            channel.on_broadcast(event, self._broadcast)
        await joined(channel)

    def _row(self, change: Any) -> None:
        data = change["data"]
        self.rows.append((data["table"], str(getattr(data["type"], "value", data["type"])), data["record"] or {}))

    def _broadcast(self, message: Any) -> None:
        self.broadcasts.append((message["event"], message["payload"]))

    def heard(self, event: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.broadcasts if name == event]


async def joined(channel: AsyncRealtimeChannel) -> None:
    states: asyncio.Queue[Any] = asyncio.Queue()
    await channel.subscribe(lambda state, error: states.put_nowait((state, error)))
    state, error = await asyncio.wait_for(states.get(), PATIENCE_SECONDS)
    assert state == RealtimeSubscribeStates.SUBSCRIBED, error


@pytest.fixture
async def ear(customer: Customer) -> AsyncIterator[Ear]:
    session = await customer.supabase.auth.get_session()
    assert session is not None
    await customer.supabase.realtime.set_auth(session.access_token)
    yield Ear(customer.supabase)
    await customer.supabase.realtime.close()


@pytest.fixture
async def strangers_ear(stack: Stack) -> AsyncIterator[Ear]:
    """Somebody who is not signed in."""
    client = await acreate_client(
        stack.supabase_url, stack.publishable_key, AsyncClientOptions(auto_refresh_token=False)
    )
    yield Ear(client)
    await client.realtime.close()


@asynccontextmanager
async def without_row_events(accounts: Accounts) -> AsyncIterator[None]:
    await accounts.database.execute("select sparky.set_row_events(false)")
    try:
        yield
    finally:
        await accounts.database.execute("select sparky.set_row_events(true)")


async def test_a_generation_is_told_as_rows_and_on_the_users_channel(customer: Customer, ear: Ear) -> None:
    await ear.to_rows("users", "notifications")
    await ear.to_channel(f"user:{customer.id}", "generation", "notification", "balance")

    generation = await customer.finished(await customer.upload())

    async def all_told() -> bool:
        return bool({table for table, _, _ in ear.rows} == {"users", "notifications"} and ear.heard("balance"))

    await eventually(all_told)
    assert [payload["credits"] for payload in ear.heard("balance")] == [9]
    assert [payload["generationId"] for payload in ear.heard("notification")] == [generation["id"]]


async def test_without_row_events_the_users_channel_goes_on(customer: Customer, ear: Ear, accounts: Accounts) -> None:
    await ear.to_rows("users", "notifications", "tools")
    await ear.to_channel(f"user:{customer.id}", "generation", "notification", "balance")
    async with without_row_events(accounts):
        await customer.finished(await customer.upload())
        # Changes are told in the order of their commits: when this one is here, the others would have been.
        await accounts.database.execute("update public.tools set sort_order = sort_order where id = 'age'")

        async def all_told() -> bool:
            return bool(ear.rows and ear.heard("balance") and ear.heard("notification"))

        await eventually(all_told)
    assert {table for table, _, _ in ear.rows} == {"tools"}
    assert [payload["credits"] for payload in ear.heard("balance")] == [9]
    assert [payload["status"] for payload in ear.heard("generation")][-1] == "succeeded"


async def tools_shown(client: AsyncClient) -> set[str]:
    rows: Any = (await client.table("tools").select("id").execute()).data
    return {row["id"] for row in rows}


async def test_a_tool_that_is_switched_off_disappears_for_everybody_and_is_refused_at_once(
    customer: Customer, ear: Ear, strangers_ear: Ear, accounts: Accounts
) -> None:
    switch = "update public.tools set is_active = $1 where id = 'smile'"
    path = await customer.upload()
    await ear.to_rows("tools")
    for listener in (ear, strangers_ear):
        await listener.to_channel("catalogue", "changed")
    assert "smile" in await tools_shown(customer.supabase)

    async def told(times: int) -> None:
        async def both_heard() -> bool:
            return all(len(listener.heard("changed")) == times for listener in (ear, strangers_ear))

        await eventually(both_heard)

    await accounts.database.execute(switch, False)
    try:
        refused = await customer.submit(path, "smile")
        await told(1)
        shown = [await tools_shown(client) for client in (customer.supabase, strangers_ear.client)]
    finally:
        await accounts.database.execute(switch, True)

    assert (refused.status_code, refused.json()["code"]) == (404, "tool_unavailable")
    assert not any("smile" in tools for tools in shown)
    assert ear.heard("changed")[0]["table"] == "tools"
    # Switched on again its row is visible, and so is the row's own event.
    await told(2)

    async def row_told() -> bool:
        return bool(ear.rows)

    await eventually(row_told)
    assert [(table, kind, row["id"], row["is_active"]) for table, kind, row in ear.rows] == [
        ("tools", "UPDATE", "smile", True)
    ]
    assert (await customer.submit(path, "smile")).status_code == 202


async def test_nobody_sends_on_the_catalogues_channel(customer: Customer, ear: Ear, strangers_ear: Ear) -> None:
    await strangers_ear.to_channel("catalogue", "changed")
    channel = customer.supabase.channel("catalogue", PRIVATE)
    await joined(channel)
    await channel.send_broadcast("changed", {"table": "forged"})
    await ear.to_channel(f"user:{customer.id}", "generation")
    await customer.finished(await customer.upload())

    async def something_was_heard() -> bool:
        return bool(ear.heard("generation"))

    await eventually(something_was_heard)
    assert strangers_ear.heard("changed") == []

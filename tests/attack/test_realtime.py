"""Alice on Realtime: Bob's rows, Bob's channel, and saying things in the product's name, to him or to herself."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from realtime import RealtimeSubscribeStates

from tests.attack.world import World
from tests.contract.realtime.conftest import Client, Listening, Site

BINDINGS: tuple[dict[str, Any], ...] = tuple(
    {"schema": schema, "table": table} | ({"filter": f"{column}=eq.{{bob}}"} if column else {})
    for schema, table, column in (
        ("public", "users", None),
        ("public", "users", "id"),
        ("public", "notifications", None),
        ("public", "notifications", "user_id"),
    )
)
NEVER_TOLD = (("public", "generations"), ("public", "credit_usage"), ("sparky", "holds"), ("auth", "users"))


@pytest.fixture
async def clients(world: World) -> AsyncIterator[Any]:
    """Makes clients with a token of the project's Auth, and closes them after the test."""
    assert world.stack.postgres is not None
    site = Site(world.stack.supabase_url, world.keys, world.stack.postgres, world.accounts.database)
    made: list[Client] = []

    def make(token: str | None) -> Client:
        made.append(Client(site, token))
        return made[-1]

    yield make
    for client in made:
        await client.realtime.close()
    await world.remember()  # what Bob's own doings changed


async def bob_does_something(world: World) -> None:
    """A generation of Bob's ends: his balance, a notification and his channel tell of it; then one of Alice's."""
    for customer in (world.bob, world.alice):
        user = customer.id
        generation = (await world.accounts.submit(user))["id"]
        assert await world.accounts.cancel(generation, user) == "canceled"
        await world.accounts.database.execute(
            "update public.users set username = 'busy', updated_at = now() where id = $1", user
        )


async def test_his_rows_are_told_to_him_and_not_to_her(world: World, clients: Any) -> None:
    filled = [{name: value.format(bob=world.bob.id) for name, value in binding.items()} for binding in BINDINGS]
    hers = await clients(world.token).listen("hers", *filled)
    his = await clients(world.bobs_token).listen("his", {"table": "notifications"}, {"table": "users"})
    await bob_does_something(world)
    for listening, owner in ((his, world.bob.id), (hers, world.alice.id)):
        seen: list[dict[str, Any]] = []
        while {change["table"] for change in seen} != {"users", "notifications"}:
            seen.append((await listening.changes.next())["data"])
        for change in seen:
            record = change["record"]
            assert record.get("user_id", record["id"]) == str(owner)
            assert not {"period_anchor", "source_id", "source_event"} & set(record)


@pytest.mark.parametrize(("schema", "table"), NEVER_TOLD)
async def test_other_tables_tell_nobody(world: World, clients: Any, schema: str, table: str) -> None:
    client = clients(world.token)
    await client.realtime.set_auth(world.token)
    silent = client.prepare("silent", {"schema": schema, "table": table})
    await silent.channel.subscribe(lambda state, error: silent.states.put((state, error)))
    assert (await silent.states.next())[0] == RealtimeSubscribeStates.SUBSCRIBED
    hers = await client.listen("hers", {"table": "users"})
    await bob_does_something(world)
    assert (await hers.changes.next())["data"]["record"]["id"] == str(world.alice.id)
    assert silent.changes.is_empty


@pytest.mark.parametrize("token", ["Alice's", "none", "forged"])
async def test_his_channel_lets_nobody_else_in(world: World, clients: Any, token: str) -> None:
    bearer = {"Alice's": world.token, "none": None, "forged": f"{world.bobs_token[:-8]}AAAAAAAA"}[token]
    bob = str(world.bob.id)
    for topic in (
        f"user:{bob}",
        f"user:{bob.upper()}",
        f"USER:{bob}",
        f" user:{bob}",
        f"user:{bob} ",
        "user:*",
        "user:",
    ):
        client = clients(bearer)
        if bearer is not None:
            await client.realtime.set_auth(bearer)
        channel: Listening = client.prepare(topic, private=True)
        states = channel.states
        await channel.channel.subscribe(lambda *state, states=states: states.put(state))
        state, error = await states.next()
        assert state == RealtimeSubscribeStates.CHANNEL_ERROR, topic
        assert "Unauthorized" in str(error) or "MalformedJWT" in str(error)


async def test_a_public_channel_of_his_topic_hears_nothing_of_him(world: World, clients: Any) -> None:
    his = await clients(world.bobs_token).listen(f"user:{world.bob.id}", private=True)
    public = await clients(world.token).listen(f"user:{world.bob.id}")
    hers = await clients(world.token).listen(f"user:{world.alice.id}", private=True)
    await bob_does_something(world)
    assert (await his.broadcasts.next())["event"] == "generation"
    assert (await hers.broadcasts.next())["event"] == "generation"  # sent after all of his
    assert public.broadcasts.is_empty


@pytest.mark.parametrize("private", [True, False])
async def test_nothing_can_be_said_on_a_users_channel(world: World, clients: Any, private: bool) -> None:
    his = await clients(world.bobs_token).listen(f"user:{world.bob.id}", private=True)
    hers = await clients(world.token).listen(
        f"user:{world.alice.id}", private=True, broadcast={"self": True, "ack": False}
    )
    await hers.channel.send_broadcast("balance", {"credits": 1000})
    path = "/realtime/v1/api/broadcast"
    for user in (world.alice.id, world.bob.id):
        for token in (None, ""):
            message = {"topic": f"user:{user}", "event": "balance", "payload": {}, "private": private}
            batch = await world.call("POST", path, json={"messages": [message]}, token=token)
            assert batch.status_code == 202  # which says nothing: what is not allowed is dropped
            query = f"?private={str(private).lower()}"
            one = await world.call("POST", f"{path}/user:{user}/events/balance{query}", json={}, token=token)
            assert one.status_code == (403 if private else 202)
    await bob_does_something(world)
    for listening in (his, hers):
        assert (await listening.broadcasts.next())["event"] == "generation"


async def test_a_channel_does_not_outlive_the_right_to_it(world: World, clients: Any) -> None:
    client = clients(world.bobs_token)
    listening = await client.listen(f"user:{world.bob.id}", private=True)
    await client.realtime.set_auth(world.token)
    state, error = await listening.states.next()
    assert state == RealtimeSubscribeStates.CHANNEL_ERROR
    assert "permissions" in str(error)

"""Broadcasts from the database and between clients; private topics under the policies on realtime.messages."""

import uuid
from typing import Any

import httpx
from realtime import RealtimeSubscribeStates

from tests.contract.realtime.conftest import Client, Site

SEND = "select realtime.send($1::text::jsonb, $2, $3, $4)"


async def refusal(client: Client, topic: str) -> str:
    """The reason for which a private join is refused."""
    if client.token is not None:
        await client.realtime.set_auth(client.token)
    channel = client.prepare(topic, private=True)
    await channel.channel.subscribe(lambda state, error: channel.states.put((state, error)))
    state, error = await channel.states.next()
    assert state == RealtimeSubscribeStates.CHANNEL_ERROR
    return str(error)


async def test_a_message_sent_in_a_transaction_reaches_its_user_and_nobody_else(
    site: Site, clients: Any, user: uuid.UUID, other: uuid.UUID
) -> None:
    mine = await clients(user).listen(f"user:{user}", private=True)
    theirs = await clients(other).listen(f"user:{other}", private=True)
    async with site.owner.acquire() as connection, connection.transaction():
        await connection.execute(SEND, '{"step": 1}', "generation", f"user:{user}", True)
        await connection.execute(SEND, '{"step": 2}', "generation", f"user:{other}", True)
    for listening, step in ((mine, 1), (theirs, 2)):
        message = await listening.broadcasts.next()
        assert (message["event"], message["payload"]["step"]) == ("generation", step)
        assert uuid.UUID(message["meta"]["id"])
        assert listening.broadcasts.is_empty


async def test_a_message_of_a_rolled_back_transaction_is_never_heard(site: Site, clients: Any, user: uuid.UUID) -> None:
    mine = await clients(user).listen(f"user:{user}", private=True)
    async with site.owner.acquire() as connection:
        attempt = connection.transaction()
        await attempt.start()
        await connection.execute(SEND, '{"step": 1}', "generation", f"user:{user}", True)
        await attempt.rollback()
    await site.owner.execute(SEND, '{"step": 2}', "generation", f"user:{user}", True)
    assert (await mine.broadcasts.next())["payload"]["step"] == 2


async def test_a_private_topic_of_somebody_else_is_refused(
    site: Site, clients: Any, user: uuid.UUID, other: uuid.UUID
) -> None:
    topic = f"user:{user}"
    assert "Unauthorized" in await refusal(clients(other), topic)
    assert "Unauthorized" in await refusal(clients(), topic)
    assert "MalformedJWT" in await refusal(clients(token="no.real.token"), topic)
    assert "InvalidJWTExpiration" in await refusal(clients(token=site.token(user, seconds=-5)), topic)
    assert await site.owner.fetchval("select count(*) from realtime.messages where topic = $1", topic) == 0


async def test_private_and_public_topics_of_one_name_never_hear_each_other(
    site: Site, clients: Any, user: uuid.UUID, other: uuid.UUID
) -> None:
    private = await clients(user).listen(f"user:{user}", private=True)
    public = await clients(other).listen(f"user:{user}")
    await site.owner.execute(SEND, "{}", "private", f"user:{user}", True)
    await site.owner.execute(SEND, "{}", "public", f"user:{user}", False)
    assert (await public.broadcasts.next())["event"] == "public"
    assert (await private.broadcasts.next())["event"] == "private"
    assert public.broadcasts.is_empty
    assert private.broadcasts.is_empty


async def test_clients_hear_each_other_and_themselves_only_when_they_ask(clients: Any) -> None:
    first = await clients().listen("room", broadcast={"self": True, "ack": True})
    second = await clients().listen("room")
    await first.channel.send_broadcast("hello", {"n": 1})
    assert (await first.broadcasts.next())["payload"] == {"n": 1}
    assert (await second.broadcasts.next())["payload"] == {"n": 1}
    await second.channel.send_broadcast("hello", {"n": 2})
    assert (await first.broadcasts.next())["payload"] == {"n": 2}
    assert second.broadcasts.is_empty


async def test_sending_on_a_private_topic_takes_a_policy_for_inserting(
    site: Site, clients: Any, user: uuid.UUID, other: uuid.UUID
) -> None:
    listening = await clients(user).listen("room:1", private=True)
    talking = await clients(other).listen("room:1", private=True)
    await talking.channel.send_broadcast("hello", {"n": 1})
    assert (await listening.broadcasts.next())["payload"] == {"n": 1}

    own = await clients(user).listen(f"user:{user}", private=True, broadcast={"self": True, "ack": False})
    await own.channel.send_broadcast("forbidden", {})
    await site.owner.execute(SEND, "{}", "allowed", f"user:{user}", True)
    assert (await own.broadcasts.next())["event"] == "allowed"


async def test_http_send_reaches_listeners_and_obeys_the_policies(
    site: Site, clients: Any, user: uuid.UUID, other: uuid.UUID
) -> None:
    listening = await clients(user).listen("room:2", private=True)
    sending = clients(other)
    await sending.realtime.set_auth(sending.token)
    await sending.prepare("room:2", private=True).channel.http_send("hello", {"n": 1})
    message = await listening.broadcasts.next()
    assert (message["event"], message["payload"]) == ("hello", {"n": 1})

    url = f"{site.url}/realtime/v1/api/broadcast"
    own = await clients(user).listen(f"user:{user}", private=True)
    async with httpx.AsyncClient(headers={"apikey": site.keys.publishable_key}) as http:
        forbidden = await http.post(f"{url}/user:{user}/events/hello?private=true", json={})
        assert forbidden.status_code == 403
        batch: list[dict[str, Any]] = [
            {"topic": f"user:{user}", "event": "spoofed", "payload": {}, "private": True},
            {"topic": "", "event": "nameless", "payload": {}},
        ]
        assert (await http.post(url, json={"messages": batch[:1]})).status_code == 202
        assert (await http.post(url, json={"messages": batch})).status_code == 422
        assert (await http.post(url, json=[])).status_code == 422
        assert (await http.post(url, content=b"{")).status_code == 400
        assert (await http.post(url, json={"messages": []}, headers={"apikey": "wrong"})).status_code == 401
        as_service = {"apikey": site.keys.secret_key}
        batch[0]["event"] = "service"
        assert (await http.post(url, json={"messages": batch[:1]}, headers=as_service)).status_code == 202
    assert (await own.broadcasts.next())["event"] == "service"
    assert own.broadcasts.is_empty


async def test_an_expired_token_ends_the_channel_unless_it_was_replaced(
    site: Site, clients: Any, user: uuid.UUID
) -> None:
    short = site.token(user, seconds=3)
    ending, staying = clients(token=short), clients(token=short)
    ended = await ending.listen(f"user:{user}", private=True)
    stayed = await staying.listen(f"user:{user}", private=True)
    await staying.realtime.set_auth(site.token(user))
    state, error = await ended.states.next()
    assert state == RealtimeSubscribeStates.CHANNEL_ERROR
    assert "expired" in str(error)
    assert (await ended.states.next())[0] == RealtimeSubscribeStates.CLOSED
    await site.owner.execute(SEND, "{}", "later", f"user:{user}", True)
    assert (await stayed.broadcasts.next())["event"] == "later"
    assert ended.broadcasts.is_empty


async def test_a_token_of_somebody_else_ends_a_private_channel(
    site: Site, clients: Any, user: uuid.UUID, other: uuid.UUID
) -> None:
    client = clients(user)
    listening = await client.listen(f"user:{user}", private=True)
    await client.realtime.set_auth(site.token(other))
    state, error = await listening.states.next()
    assert state == RealtimeSubscribeStates.CHANNEL_ERROR
    assert "permissions" in str(error)


async def test_a_thousand_messages_arrive_once_each_and_in_order(site: Site, clients: Any, user: uuid.UUID) -> None:
    mine = await clients(user).listen(f"user:{user}", private=True)
    async with site.owner.acquire() as connection:
        for n in range(0, 1000, 50):
            async with connection.transaction():
                for m in range(n, n + 50):
                    await connection.execute(SEND, f'{{"n": {m}}}', "count", f"user:{user}", True)
    heard = [(await mine.broadcasts.next())["payload"]["n"] for _ in range(1000)]
    assert heard == list(range(1000))
    assert mine.broadcasts.is_empty

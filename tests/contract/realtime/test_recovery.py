"""What happens to sockets when PostgreSQL goes away and comes back."""

import uuid
from typing import Any

from realtime import RealtimeSubscribeStates

from tests.contract.realtime.conftest import Listening, Site


async def until_subscribed(listening: Listening) -> None:
    """Joined again, and told that changes are delivered."""
    while (await listening.states.next())[0] != RealtimeSubscribeStates.SUBSCRIBED:
        pass


async def test_clients_hear_again_after_postgres_was_restarted(site: Site, clients: Any, user: uuid.UUID) -> None:
    feed = await clients(user).listen("feed", {"table": "notes"})
    own = await clients(user).listen(f"user:{user}", private=True)
    await site.postgres.stop()
    for listening in (feed, own):
        state, error = await listening.states.next()
        assert state == RealtimeSubscribeStates.CHANNEL_ERROR
        assert "1012" in str(error)
    await site.postgres.start()
    await until_subscribed(feed)
    assert (await feed.system.next()).message == "Subscribed to PostgreSQL"
    await until_subscribed(own)
    await site.owner.expire_connections()
    await site.owner.execute("insert into public.notes (user_id, kind) values ($1, 'again')", user)
    await site.owner.execute("select realtime.send('{}', 'again', $1)", f"user:{user}")
    assert (await feed.changes.next())["data"]["record"]["kind"] == "again"
    assert (await own.broadcasts.next())["event"] == "again"


async def test_a_lost_slot_connection_is_replaced(site: Site, clients: Any, user: uuid.UUID) -> None:
    assert site.postgres.started
    feed = await clients(user).listen("feed", {"table": "notes"})
    killed = await site.owner.fetchval(
        "select pg_terminate_backend(active_pid) from pg_replication_slots where active_pid is not null"
    )
    assert killed
    assert (await feed.states.next())[0] == RealtimeSubscribeStates.CHANNEL_ERROR
    await until_subscribed(feed)
    assert (await feed.system.next()).message == "Subscribed to PostgreSQL"
    await site.owner.execute("insert into public.notes (user_id, kind) values ($1, 'again')", user)
    assert (await feed.changes.next())["data"]["record"]["kind"] == "again"
    assert await site.owner.fetchval("select count(*) from pg_replication_slots") == 1

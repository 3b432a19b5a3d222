"""postgres_changes, heard by supabase-py's own client."""

import uuid
from typing import Any

import httpx
from realtime import RealtimeSubscribeStates

from tests.contract.realtime.conftest import Site

INSERT_NOTE = "insert into public.notes (user_id, kind) values ($1, $2) returning id"


async def test_a_row_is_delivered_to_its_owner_as_json(site: Site, clients: Any, user: uuid.UUID) -> None:
    feed = await clients(user).listen("feed", {"event": "INSERT", "table": "notes", "filter": f"user_id=eq.{user}"})
    await site.owner.execute(
        "insert into public.notes (user_id, score, price, details, tags, created_at, secret) values"
        """ ($1, 7, 12.50, '{"a": [1, null]}', '{x,"y z",null}', '2026-01-02 03:04:05.6+00', 'hidden')""",
        user,
    )
    message = await feed.changes.next()
    data = message["data"]
    record = data["record"]
    assert (data["schema"], data["table"], data["type"], data["errors"]) == ("public", "notes", "INSERT", None)
    assert {"name": "details", "type": "jsonb"} in data["columns"]
    assert {"name": "tags", "type": "_text"} in data["columns"]
    assert record == {
        "id": record["id"],
        "user_id": str(user),
        "kind": "note",
        "score": 7,
        "price": 12.5,
        "done": False,
        "details": {"a": [1, None]},
        "tags": ["x", "y z", None],
        "created_at": "2026-01-02T03:04:05.6+00:00",
    }
    assert data["commit_timestamp"].endswith("Z")


async def test_nobody_hears_of_a_row_that_their_policies_hide(
    site: Site, clients: Any, user: uuid.UUID, other: uuid.UUID
) -> None:
    mine = await clients(user).listen("feed", {"table": "notes"})
    theirs = await clients(other).listen("feed", {"table": "notes"})
    await site.owner.execute(INSERT_NOTE, user, "mine")
    await site.owner.execute(INSERT_NOTE, other, "theirs")
    assert (await theirs.changes.next())["data"]["record"]["kind"] == "theirs"
    assert (await mine.changes.next())["data"]["record"]["kind"] == "mine"
    assert theirs.changes.is_empty
    assert mine.changes.is_empty


async def test_ungranted_columns_are_left_out_and_a_table_without_select_is_unauthorized(
    site: Site, clients: Any, user: uuid.UUID
) -> None:
    feed = await clients(user).listen("feed", {"table": "hidden"}, {"table": "notes"})
    await site.owner.execute("insert into public.hidden values (1, $1)", user)
    await site.owner.execute(INSERT_NOTE, user, "note")
    refused = (await feed.changes.next())["data"]
    assert refused["errors"] == ["Error 401: Unauthorized"]
    assert not refused["record"]
    shown = (await feed.changes.next())["data"]
    assert "secret" not in shown["record"]
    assert "secret" not in [column["name"] for column in shown["columns"]]


async def test_an_update_carries_the_key_of_the_old_row_or_all_of_it(site: Site, clients: Any, user: uuid.UUID) -> None:
    number = await site.owner.fetchval(INSERT_NOTE, user, "before")
    await site.owner.execute("insert into public.full_notes values ($1, $1, 'before')", user)
    feed = await clients(user).listen("feed", {"event": "UPDATE", "table": "notes"}, {"table": "full_notes"})
    await site.owner.execute("update public.notes set kind = 'after' where id = $1", number)
    await site.owner.execute("update public.full_notes set body = 'after' where id = $1", user)
    by_key = (await feed.changes.next())["data"]
    assert (by_key["type"], by_key["record"]["kind"], by_key["old_record"]) == ("UPDATE", "after", {"id": number})
    whole = (await feed.changes.next())["data"]
    assert (whole["record"]["body"], whole["old_record"]["body"]) == ("after", "before")


async def test_a_deletion_is_announced_by_its_key_only(
    site: Site, clients: Any, user: uuid.UUID, other: uuid.UUID
) -> None:
    await site.owner.execute("insert into public.full_notes values ($1, $1, 'private')", user)
    feed = await clients(other).listen("feed", {"event": "DELETE", "table": "full_notes", "filter": f"id=eq.{user}"})
    await site.owner.execute("delete from public.full_notes where id = $1", user)
    data = (await feed.changes.next())["data"]
    assert (data["type"], data["old_record"]) == ("DELETE", {"id": str(user)})


async def test_filters_select_rows_and_each_binding_hears_its_own(site: Site, clients: Any, user: uuid.UUID) -> None:
    feed = await clients(user).listen(
        "feed",
        {"table": "notes", "filter": f"user_id=eq.{user},score=gte.5,kind=in.(a,b)"},
        {"table": "notes", "filter": f"user_id=eq.{user},kind=like.z%"},
        {"table": "notes", "filter": f"user_id=eq.{user},price=lt.1.5,done=is.true"},
        {"table": "notes", "filter": f"user_id=eq.{user},score=not.is.null,kind=not.in.(a,b)"},
    )
    numbers = [callback.id for callback in feed.channel.postgres_changes_callbacks]
    insert = "insert into public.notes (user_id, kind, score, price, done) values ($1, $2, $3, $4, $5)"
    await site.owner.executemany(
        insert,
        [
            (user, "a", 4, None, False),
            (user, "a", 5, None, False),
            (user, "zebra", None, None, False),
            (user, "x", None, 1, True),
            (user, "y", 0, None, False),
        ],
    )
    heard = [await feed.changes.next() for _ in range(4)]
    assert [message["ids"] for message in heard] == [[number] for number in numbers]
    assert [message["data"]["record"]["kind"] for message in heard] == ["a", "zebra", "x", "y"]


async def test_a_binding_may_select_columns(site: Site, clients: Any, user: uuid.UUID) -> None:
    feed = await clients(user).listen("feed", {"table": "notes", "select": ["id", "kind"]})
    number = await site.owner.fetchval(INSERT_NOTE, user, "short")
    assert (await feed.changes.next())["data"]["record"] == {"id": number, "kind": "short"}


async def test_an_open_table_is_heard_without_signing_in(site: Site, clients: Any) -> None:
    feed = await clients().listen("feed", {"table": "settings"})
    await site.owner.execute("insert into public.settings values (1, 'öffentlich')")
    assert (await feed.changes.next())["data"]["record"]["label"] == "öffentlich"


async def test_a_binding_that_cannot_be_served_is_refused_by_a_system_message(clients: Any, user: uuid.UUID) -> None:
    for binding in (
        {"table": "unpublished"},
        {"table": "notes", "filter": "secret=eq.x"},
        {"table": "notes", "filter": "user_id=eq.not-a-uuid"},
        {"table": "notes", "filter": "kind=resembles.x"},
    ):
        client = clients(user)
        await client.realtime.set_auth(client.token)
        feed = client.prepare("feed", binding)
        await feed.channel.subscribe(lambda state, error, states=feed.states: states.put((state, error)))
        assert (await feed.states.next())[0] == RealtimeSubscribeStates.SUBSCRIBED
        state, error = await feed.states.next()
        assert state == RealtimeSubscribeStates.CHANNEL_ERROR
        assert "Unable to subscribe to changes" in str(error)
        await client.realtime.close()


async def test_a_closed_socket_comes_back_and_hears_again(site: Site, clients: Any, user: uuid.UUID) -> None:
    site.need_stand_in("closing sockets on demand")
    feed = await clients(user).listen("feed", {"table": "notes"})
    async with httpx.AsyncClient() as http:
        url = f"{site.url}/local/realtime/disconnect"
        refused = await http.post(url, headers={"apikey": site.keys.publishable_key})
        assert refused.status_code == 403
        answer = await http.post(url, headers={"apikey": site.keys.secret_key})
    assert answer.json()["disconnected"] >= 1
    state, error = await feed.states.next()
    assert state == RealtimeSubscribeStates.CHANNEL_ERROR
    assert "1012" in str(error)
    assert (await feed.states.next())[0] == RealtimeSubscribeStates.SUBSCRIBED
    assert (await feed.system.next()).message == "Subscribed to PostgreSQL"
    await site.owner.execute(INSERT_NOTE, user, "again")
    assert (await feed.changes.next())["data"]["record"]["kind"] == "again"

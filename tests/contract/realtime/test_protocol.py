"""The wire itself, in both serialisations, where a genuine client does not show it."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.contract.realtime.conftest import WAIT_SECONDS, Site

TOPIC = "realtime:feed"
BINDING = {"event": "*", "schema": "public", "table": "settings"}


class Wire:
    """A bare socket that speaks one of the versions."""

    def __init__(self, connection: ClientConnection, version: str) -> None:
        self.connection = connection
        self.version = version

    async def send(self, event: str, payload: Any, *, topic: str = TOPIC, ref: str = "1", join_ref: str = "1") -> None:
        fields = {"join_ref": join_ref, "ref": ref, "topic": topic, "event": event, "payload": payload}
        message: Any = fields if self.version == "1.0.0" else list(fields.values())
        await self.connection.send(orjson.dumps(message).decode())

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(WAIT_SECONDS):
            message = orjson.loads(await self.connection.recv())
        if self.version == "1.0.0":
            return {"join_ref": None, **message}
        return dict(zip(("join_ref", "ref", "topic", "event", "payload"), message, strict=True))

    async def closed_with(self) -> int:
        async with asyncio.timeout(WAIT_SECONDS):
            await self.connection.wait_closed()
        assert self.connection.close_code is not None
        return self.connection.close_code


@asynccontextmanager
async def wire(site: Site, version: str, *, apikey: str | None = None) -> AsyncIterator[Wire]:
    url = f"{site.socket_url}/websocket?apikey={apikey or site.keys.publishable_key}&vsn={version}"
    async with connect(url, open_timeout=WAIT_SECONDS, close_timeout=1, max_queue=None) as connection:
        yield Wire(connection, version)


both_versions = pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])


@both_versions
async def test_a_join_is_answered_before_changes_are_promised(site: Site, version: str) -> None:
    async with wire(site, version) as socket:
        config = {"postgres_changes": [BINDING, BINDING | {"event": "INSERT"}, BINDING]}
        await socket.send("phx_join", {"config": config | {"presence": {"key": "", "enabled": True}}})
        reply = await socket.next()
        assert (reply["event"], reply["ref"], reply["join_ref"]) == ("phx_reply", "1", "1")
        bound = reply["payload"]["response"]["postgres_changes"]
        assert [{key: value for key, value in one.items() if key != "id"} for one in bound] == config[
            "postgres_changes"
        ]
        first, second, third = (one["id"] for one in bound)
        assert first == third != second
        assert (await socket.next())["event"] == "presence_state"
        ready = await socket.next()
        assert (ready["event"], ready["ref"], ready["join_ref"]) == ("system", None, None)
        assert ready["payload"] == {
            "message": "Subscribed to PostgreSQL",
            "status": "ok",
            "extension": "postgres_changes",
            "channel": "feed",
        }
        number = uuid.uuid4().int % 2**31
        await site.owner.execute("insert into public.settings values ($1, 'x')", number)
        change = await socket.next()
        assert (change["event"], change["ref"]) == ("postgres_changes", None)
        assert change["payload"]["ids"] == [first, second, third]
        assert change["payload"]["data"]["record"] == {"id": number, "label": "x"}


@both_versions
async def test_a_join_that_waits_is_answered_when_changes_are_delivered(site: Site, version: str) -> None:
    async with wire(site, version) as socket:
        for table, status in (("settings", "ok"), ("unpublished", "error")):
            config = {
                "postgres_changes": [BINDING | {"table": table}],
                "postgres_changes_options": {"wait": True, "timeout": 10_000},
            }
            await socket.send("phx_join", {"config": config})
            assert (await socket.next())["payload"]["status"] == status
            if status == "ok":
                assert (await socket.next())["payload"]["message"] == "Subscribed to PostgreSQL"


@both_versions
async def test_a_channel_joined_before_signing_in_hears_changes_once_it_has_a_token(
    site: Site, user: uuid.UUID, version: str
) -> None:
    async with wire(site, version) as socket:
        binding = {"event": "INSERT", "schema": "public", "table": "notes", "filter": f"user_id=eq.{user}"}
        await socket.send("phx_join", {"config": {"postgres_changes": [binding]}})
        assert (await socket.next())["payload"]["status"] == "ok"
        assert (await socket.next())["payload"]["status"] == "error"
        await socket.send("access_token", {"access_token": site.token(user)})
        assert (await socket.next())["payload"]["message"] == "Subscribed to PostgreSQL"
        await site.owner.execute("insert into public.notes (user_id) values ($1)", user)
        assert (await socket.next())["payload"]["data"]["record"]["user_id"] == str(user)


@both_versions
async def test_heartbeat_leave_and_unknown_events(site: Site, version: str) -> None:
    async with wire(site, version) as socket:
        await socket.send("heartbeat", {}, topic="phoenix", ref="7")
        assert (await socket.next())["payload"] == {"status": "ok", "response": {}}
        await socket.send("phx_join", {"config": {}})
        assert (await socket.next())["payload"]["status"] == "ok"
        await socket.send("nobody_knows_this", {"a": 1})
        await socket.send("access_token", {"access_token": None})
        await socket.send("phx_leave", {}, ref="9")
        assert (await socket.next())["ref"] == "9"
        assert (await socket.next())["event"] == "phx_close"
        await socket.send("broadcast", {"event": "x"}, ref="10")
        assert (await socket.next())["payload"]["response"] == {"reason": "unmatched topic"}


async def test_a_second_join_of_a_topic_replaces_the_first(site: Site) -> None:
    async with wire(site, "2.0.0") as socket:
        for ref in ("1", "2"):
            await socket.send("phx_join", {"config": {"postgres_changes": [BINDING]}}, ref=ref, join_ref=ref)
            assert (await socket.next())["join_ref"] == ref
            assert (await socket.next())["event"] == "system"
        await socket.send("phx_leave", {}, ref="3", join_ref="1")
        assert (await socket.next())["ref"] == "3"
        number = uuid.uuid4().int % 2**31
        await site.owner.execute("insert into public.settings values ($1, 'x')", number)
        assert (await socket.next())["payload"]["data"]["record"]["id"] == number
        await socket.send("heartbeat", {}, topic="phoenix")
        assert (await socket.next())["event"] == "phx_reply"


@both_versions
async def test_refused_joins_say_why(site: Site, version: str) -> None:
    async with wire(site, version) as socket:
        for topic, payload, code in (
            ("realtime:", {}, "TopicNameRequired"),
            ("elsewhere", {}, "TopicNameRequired"),
            (TOPIC, "text", "InvalidJoinPayload"),
            (TOPIC, {"config": {"private": "perhaps"}}, "InvalidJoinPayload"),
            (TOPIC, {"config": {"postgres_changes": [{"event": "TRUNCATE"}]}}, "InvalidPostgresChanges"),
            (TOPIC, {"config": {"postgres_changes": [BINDING] * 101}}, "InvalidPostgresChanges"),
            (TOPIC, {"access_token": "not.a.token"}, "MalformedJWT"),
        ):
            await socket.send("phx_join", payload, topic=topic)
            answer = (await socket.next())["payload"]
            assert answer["status"] == "error"
            assert answer["response"]["reason"].startswith(code)


async def test_channels_of_one_socket_are_bounded(site: Site) -> None:
    async with wire(site, "2.0.0") as socket:
        answers = []
        for number in range(101):
            await socket.send("phx_join", {"config": {}}, topic=f"realtime:{number}")
            answers.append((await socket.next())["payload"])
        assert [answer["status"] for answer in answers] == ["ok"] * 100 + ["error"]
        assert "RateLimitReached" in answers[-1]["response"]["reason"]


async def test_a_wrong_key_or_version_never_gets_a_socket(site: Site) -> None:
    for key, version, status in (("wrong", "1.0.0", 401), (None, "3.0.0", 400)):
        with pytest.raises(InvalidStatus) as refused:
            async with wire(site, version, apikey=key):
                pass
        assert refused.value.response.status_code == status


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", 1007),
        ("[1,2]", 1007),
        (b"\x09\x00", 1007),
        (b"\x03\xff\x00\x00\x00\x00\x01", 1007),
        ("x" * (1 << 21), 1009),
    ],
)
async def test_a_frame_that_is_no_message_closes_its_socket(site: Site, frame: str | bytes, code: int) -> None:
    async with wire(site, "2.0.0") as socket, wire(site, "1.0.0") as bystander:
        await socket.connection.send(frame)
        assert await socket.closed_with() == code
        await bystander.send("heartbeat", {}, topic="phoenix")
        assert (await bystander.next())["event"] == "phx_reply"


async def test_binary_broadcasts_are_heard_by_both_versions(site: Site) -> None:
    async with wire(site, "2.0.0") as sender, wire(site, "1.0.0") as old, wire(site, "2.0.0") as new:
        for socket in (sender, old, new):
            await socket.send("phx_join", {"config": {"broadcast": {"ack": True, "self": False}}})
            assert (await socket.next())["payload"]["status"] == "ok"
        parts = (b"1", b"5", TOPIC.encode(), "grüß".encode(), b"")
        header = bytes((3, *(len(part) for part in parts)))
        await sender.connection.send(header + b"\x01" + b"".join(parts) + b'{"n": 1}')
        assert (await sender.next())["ref"] == "5"
        for socket in (old, new):
            heard = await socket.next()
            assert heard["payload"] == {"type": "broadcast", "event": "grüß", "payload": {"n": 1}}
        await sender.connection.send(header + b"\x00" + b"".join(parts) + b"\xff\x00raw")
        raw = await new.connection.recv()
        assert isinstance(raw, bytes)
        assert raw[0] == 4
        assert raw.endswith(b"\xff\x00raw")


async def test_a_client_that_does_not_read_is_disconnected(site: Site) -> None:
    url = f"{site.socket_url}/websocket?apikey={site.keys.publishable_key}&vsn=2.0.0"
    async with connect(url, compression=None, max_queue=1, close_timeout=1) as stuck, wire(site, "2.0.0") as talker:
        for connection in (Wire(stuck, "2.0.0"), talker):
            await connection.send("phx_join", {"config": {"broadcast": {"ack": True, "self": False}}})
            assert (await connection.next())["payload"]["status"] == "ok"
        payload = {"type": "broadcast", "event": "flood", "payload": "x" * 500_000}
        for number in range(100):
            await talker.send("broadcast", payload, ref=str(number))
            assert (await talker.next())["ref"] == str(number)
        received = [frame async for frame in _until_closed(stuck)]
        assert len(received) < 100


async def _until_closed(connection: ClientConnection) -> AsyncIterator[str | bytes]:
    try:
        while True:
            async with asyncio.timeout(WAIT_SECONDS):
                frame = await connection.recv()
            yield frame
    except ConnectionClosed:
        return

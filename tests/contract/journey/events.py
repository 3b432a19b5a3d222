"""Realtime: changes under the policies, private channels, broadcasts, and coming back after the server went away."""

from collections.abc import Awaitable
from functools import partial
from typing import Any

from realtime import AsyncRealtimeChannel, BroadcastPayload, PostgresChangesPayload, RealtimeSubscribeStates
from realtime import RealtimePostgresChangesListenEvent as On
from supabase import AsyncClient

from tests.contract.journey.journey import Journey
from tests.contract.journey.waiting import Heard

PRIVATE: Any = {"config": {"private": True, "broadcast": None, "presence": None}}
ANNOUNCED = ("generation", "notification", "balance")


class Channels:
    """The customer's channels and all that came in on them."""

    def __init__(self, journey: Journey) -> None:
        self.heard = Heard()
        client, own = journey.own.client, journey.own.id
        self.account = client.channel("account")
        self._listen(self.account, "account", On.Insert, "notifications", f"user_id=eq.{own}")
        self._listen(self.account, "account", On.Update, "users", f"id=eq.{own}")
        self._listen(self.account, "account", On.All, "tools")
        self.everything = client.channel("everything")
        self._listen(self.everything, "everything", On.All, "notifications")
        self._listen(self.everything, "everything", On.All, "users")
        self.private = client.channel(f"user:{own}", PRIVATE)
        for event in ANNOUNCED:
            self.private.on_broadcast(event, partial(self._broadcast, "private"))

    async def join(self, channel: AsyncRealtimeChannel, name: str) -> None:
        """Returns when the server has answered, either way."""
        channel.on_system(lambda system: self.heard.add(channel=name, kind="system", message=system.message))
        await channel.subscribe(partial(self._state, name))

    def _listen(
        self, channel: AsyncRealtimeChannel, name: str, event: On, table: str, filter_: str | None = None
    ) -> None:
        channel.on_postgres_changes(event, partial(self._change, name), table=table, filter=filter_)

    def _change(self, name: str, change: PostgresChangesPayload) -> None:
        data = change["data"]
        self.heard.add(
            channel=name,
            kind="change",
            table=data["table"],
            type=str(getattr(data["type"], "value", data["type"])),
            new=data.get("record") or {},
            old=data.get("old_record") or {},
        )

    def _broadcast(self, name: str, message: BroadcastPayload) -> None:
        self.heard.add(channel=name, kind="broadcast", event=message["event"], payload=message["payload"])

    def _state(self, name: str, state: RealtimeSubscribeStates, error: Exception | None) -> None:
        self.heard.add(channel=name, kind="state", state=state.value, error=str(error) if error else None)


async def listen(journey: Journey) -> Channels:
    """Join everything and hear the first changes."""
    channels = Channels(journey)
    heard = channels.heard
    for name, channel in _by_name(channels).items():
        await channels.join(channel, name)
    for name in ("account", "everything"):
        await heard.first(channel=name, kind="system")
    journey.facts["subscribe"] = {
        **{name: [item["state"] for item in heard.all(channel=name, kind="state")] for name in _by_name(channels)},
        "system": [item["message"] for item in heard.all(channel="account", kind="system")],
    }
    foreign = journey.own.client.channel(f"user:{journey.neighbour.id}", PRIVATE)
    await channels.join(foreign, "foreign")
    refused = await heard.first(channel="foreign", kind="state")
    await journey.own.client.remove_channel(foreign)
    journey.facts["somebody_elses_channel"] = {
        "state": refused["state"],
        "unauthorized": "Unauthorized" in (refused["error"] or ""),
    }
    await _first_changes(journey, channels)
    await _between_clients(journey, channels.private)
    if journey.site.outages:
        await _reconnect(journey, channels)
    await _new_token(journey, channels)
    return channels


async def leave(journey: Journey, channels: Channels) -> None:
    """One channel stops listening while another goes on; then all are left."""
    client, heard = journey.own.client, channels.heard
    await client.remove_channel(channels.everything)
    heard.items.clear()
    for name in ("after leaving", "last"):
        await _rename(client, journey.own.id, name)
        await _heard_name(channels, "account", name)
    left = len(client.get_channels())
    await client.remove_all_channels()
    journey.facts["unsubscribe"] = {
        "heard_on_the_left_one": len(heard.all(channel="everything")),
        "channels": left,
        "in_the_end": len(client.get_channels()),
    }
    await journey.neighbour.client.remove_all_channels()


async def _first_changes(journey: Journey, channels: Channels) -> None:
    heard = channels.heard
    await _rename(journey.neighbour.client, journey.neighbour.id, "neighbour")
    await _rename(journey.own.client, journey.own.id, "first")
    change = await _heard_everywhere(channels, "first")
    journey.facts["change_of_the_own_row"] = {
        "type": change["type"],
        "columns": sorted(change["new"]),
        "before": change["old"].get("username"),
        "everything": _names(heard, "everything"),
    }
    await journey.http.post(f"{journey.site.operator_url}/touch-tool/bald")
    tool = await heard.first(channel="account", table="tools")
    journey.facts["change_of_the_catalogue"] = {
        "type": tool["type"],
        "id": tool["new"]["id"],
        "columns": sorted(tool["new"]),
        "old": sorted(tool["old"]),
    }


async def _between_clients(journey: Journey, private: AsyncRealtimeChannel) -> None:
    """Any two clients may talk on a public topic; nobody but the database speaks on a private one."""
    heard, own, neighbour = Heard(), journey.own.client, journey.neighbour.client
    room = own.channel("room")
    room.on_broadcast("hello", lambda message: heard.add(who="own", payload=message["payload"]))
    await room.subscribe()
    theirs = neighbour.channel("room")
    theirs.on_broadcast("hello", lambda message: heard.add(who="neighbour", payload=message["payload"]))
    await theirs.subscribe()
    await room.send_broadcast("hello", {"by": "socket", "text": "schön 😀"})
    first = await heard.first(who="neighbour")
    await theirs.http_send("hello", {"by": "http"})
    both = [(await heard.first(who=who, payload={"by": "http"}))["payload"] for who in ("own", "neighbour")]
    journey.facts["broadcast_between_clients"] = {
        "heard": first["payload"],
        "echo": len(heard.all(who="own", payload=first["payload"])),
        "by_http": both,
        "by_http_on_the_private_channel": await _outcome(private.http_send("balance", {"credits": 999})),
    }
    await own.remove_channel(room)
    await neighbour.remove_channel(theirs)


async def _reconnect(journey: Journey, channels: Channels) -> None:
    heard = channels.heard
    heard.items.clear()
    answer = await journey.http.post(
        f"{journey.site.supabase_url}/local/realtime/disconnect", headers={"apikey": journey.site.secret_key}
    )
    for name in _by_name(channels):
        await heard.first(channel=name, kind="state", state="SUBSCRIBED")
    for name in ("account", "everything"):
        await heard.first(channel=name, kind="system")
    await _rename(journey.own.client, journey.own.id, "after the outage")
    await _heard_everywhere(channels, "after the outage")
    journey.facts["reconnect"] = {
        "disconnected": answer.json()["disconnected"] > 0,
        **{
            name: list(dict.fromkeys(item["state"] for item in heard.all(channel=name, kind="state")))
            for name in _by_name(channels)
        },
        "heard": _names(heard, "account"),
    }


async def _new_token(journey: Journey, channels: Channels) -> None:
    heard, before = channels.heard, await journey.token()
    heard.items.clear()
    await journey.own.client.auth.refresh_session()
    await _rename(journey.own.client, journey.own.id, "with a new token")
    await _heard_everywhere(channels, "with a new token")
    journey.facts["new_token"] = {
        "other": await journey.token() != before,
        "states": [item["state"] for item in heard.all(kind="state")],
        "heard": _names(heard, "everything"),
    }


def _by_name(channels: Channels) -> dict[str, AsyncRealtimeChannel]:
    return {"account": channels.account, "everything": channels.everything, "private": channels.private}


def _names(heard: Heard, channel: str) -> list[str]:
    """The new names that changes of users told on this channel, in order."""
    return [item["new"]["username"] for item in heard.all(channel=channel, kind="change", table="users")]


async def _heard_name(channels: Channels, channel: str, name: str) -> dict[str, Any]:
    return await channels.heard.first_where(
        lambda item: item.get("channel") == channel and item.get("table") == "users" and item["new"]["username"] == name
    )


async def _heard_everywhere(channels: Channels, name: str) -> dict[str, Any]:
    """Wait for both channels, so that none brings it later. Answers the account's change."""
    await _heard_name(channels, "everything", name)
    return await _heard_name(channels, "account", name)


async def _rename(client: AsyncClient, user: str, name: str) -> None:
    changed: Any = client.table("users").update({"username": name}).eq("id", user)
    await changed.select("username").execute()


async def _outcome(call: Awaitable[object]) -> str:
    try:
        await call
    except Exception:
        return "refused"
    return "accepted"

"""What Realtime tells the demo's user: changes of notifications and of the own row, and the private channel."""

import asyncio
from collections.abc import Callable

from realtime import (
    BroadcastPayload,
    PostgresChangesPayload,
    RealtimePostgresChangesListenEvent,
    RealtimeSubscribeStates,
)
from supabase import AsyncClient

SUBSCRIBED_SECONDS = 10.0


class Listener:
    """Collects events as they come; `ended` waits for the notification of one generation."""

    def __init__(self) -> None:
        self.events: list[dict[str, str]] = []
        self.balance: int | None = None
        self._endings: dict[str, str] = {}
        self._news = asyncio.Condition()
        self._pending: set[asyncio.Task[None]] = set()

    async def subscribe(self, client: AsyncClient, user_id: str) -> None:
        """Returns when events are really delivered, which is later than when the server accepts the subscription."""
        session = await client.auth.get_session()
        if session is None:
            raise RuntimeError("nobody is signed in")
        await client.realtime.set_auth(session.access_token)
        heard, joined = asyncio.Event(), asyncio.Event()

        changes = client.channel("account")
        changes.on_postgres_changes(
            RealtimePostgresChangesListenEvent.Insert,
            self._notified,
            table="notifications",
            filter=f"user_id=eq.{user_id}",
        )
        changes.on_postgres_changes(
            RealtimePostgresChangesListenEvent.Update, self._account_changed, table="users", filter=f"id=eq.{user_id}"
        )
        changes.on_system(lambda _: heard.set())
        await changes.subscribe()

        def on_state(state: RealtimeSubscribeStates, _: Exception | None) -> None:
            if state == RealtimeSubscribeStates.SUBSCRIBED:
                joined.set()

        private = client.channel(f"user:{user_id}", {"config": {"private": True, "broadcast": None, "presence": None}})
        for event in ("generation", "notification", "balance", "order"):
            private.on_broadcast(event, self._broadcast(f"user:{user_id}", event))
        await private.subscribe(on_state)
        async with asyncio.timeout(SUBSCRIBED_SECONDS):
            await heard.wait()
            await joined.wait()

    async def ended(self, generation_id: str, seconds: float) -> str:
        """The status that the generation's notification told. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: generation_id in self._endings)
            return self._endings[generation_id]

    async def balance_is(self, balance: int, seconds: float) -> None:
        """Wait until Realtime has told this balance. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(lambda: self.balance == balance)

    def _notified(self, change: PostgresChangesPayload) -> None:
        self.events.append({"table": "notifications", "type": change["data"]["type"]})
        record = change["data"]["record"] or {}
        if record["type"] == "generation":
            self._endings[record["params"]["generationId"]] = record["params"]["status"]
        self._tell()

    def _account_changed(self, change: PostgresChangesPayload) -> None:
        self.events.append({"table": "users", "type": change["data"]["type"]})
        self.balance = (change["data"]["record"] or {})["credits"]
        self._tell()

    def _broadcast(self, topic: str, event: str) -> Callable[[BroadcastPayload], None]:
        return lambda _: self.events.append({"topic": topic, "type": event})

    def _tell(self) -> None:
        """Callbacks of the client are synchronous; waking the waiters is not."""

        async def notify() -> None:
            async with self._news:
                self._news.notify_all()

        task = asyncio.ensure_future(notify())
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

"""The Realtime stand-in as a whole: its routes, its change source, and the sockets it serves."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any

import asyncpg
import orjson
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from deploy.local.supabase.caller import CallerError, claims_of
from deploy.local.supabase.context import Context
from deploy.local.supabase.realtime import http
from deploy.local.supabase.realtime.catalogue import Pool
from deploy.local.supabase.realtime.delivery import Delivery
from deploy.local.supabase.realtime.frames import VERSIONS
from deploy.local.supabase.realtime.hub import Hub
from deploy.local.supabase.realtime.pgoutput import Change
from deploy.local.supabase.realtime.socket import Socket
from deploy.local.supabase.realtime.source import SESSION, ChangeSource
from deploy.local.supabase.realtime.state import State
from deploy.local.supabase.realtime.subscriptions import Subscriptions

log = structlog.get_logger()

POOL_SIZE = 4
STATEMENT_SECONDS = 5.0


class Realtime:
    """An async context manager, entered for the life of the app.

    Neither entering nor anything later fails because PostgreSQL is away: sockets are closed with 1012, as by a
    restart of Supabase's server, joins are refused until it is back, and clients come again by themselves.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._sockets: set[Socket] = set()
        self._state: State | None = None
        self._task: asyncio.Task[None] | None = None

    def routes(self) -> list[BaseRoute]:
        return [
            WebSocketRoute("/realtime/v1/websocket", self._websocket),
            Route("/realtime/v1/api/broadcast", self._send_many, methods=["POST"]),
            Route("/realtime/v1/api/broadcast/{topic:path}/events/{event:path}", self._send_one, methods=["POST"]),
            Route("/local/realtime/disconnect", self._disconnect, methods=["POST"]),
        ]

    async def __aenter__(self) -> "Realtime":
        hub, subscriptions = Hub(), Subscriptions()
        database = await asyncpg.create_pool(
            self._context.admin_dsn,
            min_size=0,
            max_size=POOL_SIZE,
            command_timeout=STATEMENT_SECONDS,
            server_settings=SESSION,
            reset=_keep,
        )
        delivery = Delivery(subscriptions, database, self._as_caller)
        changes = _Changes(hub, subscriptions, delivery, database, self.disconnect)
        source = ChangeSource(self._context.admin_dsn, changes)
        self._state = State(self._context.keys, database, hub, subscriptions, source)
        self._task = asyncio.create_task(source.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._shared.database.terminate()

    def disconnect(self) -> int:
        """Close every socket as a restart would. How many there were."""
        for socket in self._sockets:
            socket.close(1012, "service restart")
        return len(self._sockets)

    @property
    def _shared(self) -> State:
        if self._state is None:
            raise RuntimeError("Realtime was not entered")
        return self._state

    def _as_caller(self, claims: Any) -> Any:
        return self._context.as_caller(claims, read_only=True)

    async def _websocket(self, websocket: WebSocket) -> None:
        version = websocket.query_params.get("vsn", "1.0.0")
        try:
            claims = claims_of(self._context.keys, websocket.query_params.get("apikey", ""))
        except CallerError as error:
            await websocket.send_denial_response(JSONResponse({"message": error.message}, 401))
            return
        if version not in VERSIONS:
            await websocket.send_denial_response(JSONResponse({"message": "Unknown vsn"}, 400))
            return
        await websocket.accept()
        socket = Socket(self._shared, websocket, version, claims)
        self._sockets.add(socket)
        try:
            await socket.serve()
        finally:
            self._sockets.discard(socket)

    async def _send_one(self, request: Request) -> Response:
        return await http.send_one(self._shared, request)

    async def _send_many(self, request: Request) -> Response:
        return await http.send_many(self._shared, request)

    async def _disconnect(self, request: Request) -> Response:
        try:
            claims = http.caller(self._shared, request)
        except http.RequestError as error:
            return error.response()
        if claims["role"] != "service_role":
            return JSONResponse({"message": "The secret key is needed"}, 403)
        return JSONResponse({"disconnected": self.disconnect()})


async def _keep(_: object) -> None:
    """Nothing to reset: what we set is local to a transaction. Saves a round trip an event."""


class _Changes:
    """The sink of the change source: messages become broadcasts, other changes postgres_changes."""

    def __init__(
        self, hub: Hub, subscriptions: Subscriptions, delivery: Delivery, database: Pool, lost: Callable[[], object]
    ) -> None:
        self._hub = hub
        self._subscriptions = subscriptions
        self._delivery = delivery
        self._database = database
        self._lost = lost

    @property
    def is_listened(self) -> bool:
        return not self._hub.is_empty

    async def apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.relation.schema == "realtime" and change.relation.table == "messages":
                self._broadcast(change)
            else:
                await self._delivery.deliver(change)

    async def settle(self) -> None:
        await self._subscriptions.settle(self._database)

    def lost(self) -> None:
        self._lost()

    def _broadcast(self, change: Change) -> None:
        row = change.new
        if change.action != "INSERT" or row is None or row["extension"] != "broadcast":
            return
        topic, event, payload = row["topic"], row["event"], row["payload"]
        if not isinstance(topic, str) or not isinstance(event, str):
            return
        body = orjson.Fragment(payload) if isinstance(payload, str) else {}
        self._hub.publish(topic, row["private"] == "t", event, body, meta={"id": row["id"]})

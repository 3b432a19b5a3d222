"""One WebSocket: reads frames in order, keeps the channels, and writes what they send.

Guarantees: frames, channels, joins and the outgoing queue are bounded; a client that reads too slowly is
disconnected instead of buffered for; a client that is silent for a minute is gone. Unknown events are ignored.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from deploy.local.supabase.realtime import authorization, join
from deploy.local.supabase.realtime.channel import PREFIX, Channel, not_allowed, reply_to, token_claims
from deploy.local.supabase.realtime.frames import MAX_FRAME_BYTES, Frame, FrameError, decode, encode
from deploy.local.supabase.realtime.join import JoinError
from deploy.local.supabase.realtime.outage import OUTAGES
from deploy.local.supabase.realtime.state import State

log = structlog.get_logger()

MAX_CHANNELS = 100
MAX_JOINS_PER_SECOND = 100
MAX_QUEUED_FRAMES, MAX_QUEUED_BYTES = 2048, 16 << 20
SILENCE_SECONDS = 60.0
READY_SECONDS = 5.0
CLOSE_SECONDS = 2.0


class Socket:
    """`claims` are those of the API key: what a channel has that carries no token of a user."""

    def __init__(self, state: State, websocket: WebSocket, version: str, claims: Mapping[str, Any]) -> None:
        self._state = state
        self._websocket = websocket
        self._version = version
        self._claims = claims
        self._channels: dict[str, Channel] = {}
        self._queue: deque[str | bytes] = deque()
        self._queued_bytes = 0
        self._filled = asyncio.Event()
        self._closing: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self._joins: deque[float] = deque(maxlen=MAX_JOINS_PER_SECOND)

    async def serve(self) -> None:
        """Until either side closes."""
        reader, writer = asyncio.create_task(self._read()), asyncio.create_task(self._write())
        try:
            ends: set[asyncio.Future[Any]] = {reader, writer, self._closing}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)
            for channel in tuple(self._channels.values()):
                self.forget(channel)
        if self._closing.done():
            code, reason = self._closing.result()
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._websocket.close(code, reason)

    def send(self, frame: Frame) -> None:
        data = encode(frame, self._version)
        if data is None or self._closing.done():
            return
        self._queue.append(data)
        self._queued_bytes += len(data)
        if len(self._queue) > MAX_QUEUED_FRAMES or self._queued_bytes > MAX_QUEUED_BYTES:
            log.warning("realtime_slow_client_disconnected", frames=len(self._queue), bytes=self._queued_bytes)
            self.close(1013, "too slow")
        self._filled.set()

    def close(self, code: int, reason: str) -> None:
        """What is still queued is not sent. Harmless the second time."""
        if not self._closing.done():
            self._closing.set_result((code, reason))

    def forget(self, channel: Channel) -> None:
        """End a channel without a word to the client."""
        channel.leave()
        wire_topic = PREFIX + channel.topic
        if self._channels.get(wire_topic) is channel:
            del self._channels[wire_topic]

    async def _write(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._queue:
                data = self._queue.popleft()
                self._queued_bytes -= len(data)
                if isinstance(data, str):
                    await self._websocket.send_text(data)
                else:
                    await self._websocket.send_bytes(data)

    async def _read(self) -> None:
        try:
            while True:
                async with asyncio.timeout(SILENCE_SECONDS):
                    message = await self._websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                data = message.get("text") or message.get("bytes") or ""
                if len(data) > MAX_FRAME_BYTES:
                    self.close(1009, "frame too large")
                    return
                await self._handle(decode(data, self._version))
        except FrameError as error:
            self.close(1007, str(error))
        except TimeoutError:
            self.close(1001, "no heartbeat")
        except WebSocketDisconnect:
            return
        except OUTAGES as error:
            log.warning("realtime_database_away", error=type(error).__name__)
            self.close(1012, "service restart")
        except Exception:
            log.exception("realtime_socket_failed")
            self.close(1011, "internal error")

    async def _handle(self, frame: Frame) -> None:
        channel = self._channels.get(frame.topic)
        if channel is not None and frame.join_ref not in (None, channel.join_ref):
            channel = None  # left over from an earlier join
        match frame.event:
            case "heartbeat" if frame.topic == "phoenix":
                self.send(reply_to(frame, "ok", {}))
            case "phx_join":
                await self._join(frame)
            case "phx_leave":
                self.send(reply_to(frame, "ok", {}))
                if channel is not None:
                    self.send(Frame(frame.topic, "phx_close", {}, channel.join_ref, channel.join_ref))
                    self.forget(channel)
            case _ if channel is None:
                self.send(reply_to(frame, "error", {"reason": "unmatched topic"}))
            case "broadcast":
                await channel.push(frame)
            case "access_token" if isinstance(frame.payload, Mapping):
                await channel.refresh(frame.payload.get("access_token"))
            case "presence":
                channel.reply(frame, "ok", {})

    async def _join(self, frame: Frame) -> None:
        try:
            channel = await self._open(frame)
            channel.start()
        except JoinError as error:
            log.info("realtime_join_refused", code=error.code)
            self.send(reply_to(frame, "error", {"reason": error.reason}))
        except OUTAGES as error:
            log.warning("realtime_database_away", error=type(error).__name__)
            refusal = JoinError("InitializingProjectConnection", "Realtime is initializing the project connection")
            self.send(reply_to(frame, "error", {"reason": refusal.reason}))
        else:
            self._channels[frame.topic] = channel

    async def _open(self, frame: Frame) -> Channel:
        """A channel of this frame, allowed but not started. Raises `JoinError` and what asyncpg raises."""
        self._count_join()
        earlier = self._channels.get(frame.topic)
        if earlier is not None:
            self.forget(earlier)
        topic = frame.topic.removeprefix(PREFIX)
        if topic in ("", frame.topic):
            raise JoinError("TopicNameRequired", "You must provide a topic name")
        if len(self._channels) >= MAX_CHANNELS:
            raise JoinError("ChannelRateLimitReached", "Too many channels")
        request = join.parse(frame.payload)
        token = request.access_token
        is_of_user = token is not None and not token.startswith("sb_")
        claims = token_claims(self._state, token) if token is not None and is_of_user else self._claims
        async with asyncio.timeout(READY_SECONDS):
            await self._state.source.ready.wait()
            if request.config.private and not await authorization.may_listen(self._state.database, claims, topic):
                raise not_allowed(topic)
        return Channel(self._state, self, frame, request, claims=claims, token=token)

    def _count_join(self) -> None:
        now = time.monotonic()
        if len(self._joins) == MAX_JOINS_PER_SECOND and now - self._joins[0] < 1:
            raise JoinError("ClientJoinRateLimitReached", "Too many joins per second")
        self._joins.append(now)

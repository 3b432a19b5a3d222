"""One joined channel of one socket: its claims, what it listens to, and its end.

A channel ends when its client leaves, its token expires or is replaced by a bad one, or its socket closes.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from deploy.local.supabase.caller import CallerError, claims_of
from deploy.local.supabase.realtime import authorization
from deploy.local.supabase.realtime.frames import Frame
from deploy.local.supabase.realtime.join import MAX_WAIT_MS, Binding, Join, JoinError, binding_id
from deploy.local.supabase.realtime.state import State

log = structlog.get_logger()

PREFIX = "realtime:"


class Outlet(Protocol):
    """The socket, as its channels see it."""

    def send(self, frame: Frame) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def forget(self, channel: "Channel") -> None: ...


class Channel:
    """Of the frame that asked to join. Everything but `refresh` and `push` is immediate."""

    def __init__(
        self,
        state: State,
        outlet: Outlet,
        frame: Frame,
        join: Join,
        *,
        claims: Mapping[str, Any],
        token: str | None,
    ) -> None:
        self.topic = frame.topic.removeprefix(PREFIX)
        self.is_private = join.config.private
        self.claims = claims
        self.join_ref = frame.join_ref
        self._state = state
        self._outlet = outlet
        self._wire_topic = frame.topic
        self._join_frame = frame
        self._join = join
        self._token = token
        self._may_send: bool | None = None  # unknown until the first message
        self._is_refused = False  # the bindings, under these claims
        self._expiry: asyncio.TimerHandle | None = None
        self._wait: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Answer the join and begin to listen. Raises `JoinError` when the bindings make no sense."""
        bindings = self._bindings()
        options = self._join.config.postgres_changes_options
        if bindings and options.wait:
            seconds = max(0, min(options.timeout, MAX_WAIT_MS)) / 1000
            self._wait = asyncio.get_running_loop().call_later(seconds, self._waited_too_long)
        else:
            self.reply(self._join_frame, "ok", self._join.reply())
        if self._join.config.presence.enabled:
            self._send("presence_state", {})
        if self._join.config.broadcast.replication_ready:
            self._system("system", "ok", "Replication connection established")
        self._state.hub.add(self)
        if bindings:
            self._state.subscriptions.add(self, bindings)
        self._state.source.wake()
        self._watch_expiry()

    def leave(self) -> None:
        """Stop listening; nothing is sent. Harmless the second time."""
        for timer in (self._expiry, self._wait):
            if timer is not None:
                timer.cancel()
        self._state.hub.remove(self)
        self._state.subscriptions.remove(self)

    async def refresh(self, token: Any) -> None:
        """Go on with another token, or end: it must be good and, on a private channel, still allowed to listen."""
        if not isinstance(token, str) or token.startswith("sb_") or token == self._token:
            return
        try:
            claims = token_claims(self._state, token)
            if self.is_private and not await authorization.may_listen(self._state.database, claims, self.topic):
                raise not_allowed(self.topic)
        except JoinError as error:
            self._end(str(error))
            return
        has_new_rights = claims["role"] != self.claims["role"] or self._is_refused
        self.claims, self._token, self._may_send = claims, token, None
        self._watch_expiry()
        if self._join.requested and has_new_rights:  # a client that joined before it signed in
            self._is_refused = False
            self._state.subscriptions.add(self, self._bindings())
            self._state.source.wake()

    async def push(self, frame: Frame) -> None:
        """A broadcast by this client. Without the right to send on a private channel it is dropped."""
        payload = frame.payload
        if not isinstance(payload, Mapping) or not isinstance(payload.get("event"), str):
            return
        if self.is_private and not await self._is_allowed_to_send():
            log.info("realtime_broadcast_forbidden", topic=self.topic)
            return
        options = self._join.config.broadcast
        sender = None if options.self_ else self
        self._state.hub.publish(
            self.topic, self.is_private, payload["event"], payload.get("payload", {}), sender=sender
        )
        if options.ack:
            self.reply(frame, "ok", {})

    def reply(self, frame: Frame, status: str, response: Mapping[str, Any]) -> None:
        self._outlet.send(reply_to(frame, status, response))

    def broadcast(self, message: Mapping[str, Any]) -> None:
        self._send("broadcast", message)

    def change(self, ids: list[int], data: Mapping[str, Any]) -> None:
        self._send("postgres_changes", {"ids": ids, "data": data})

    def subscribed(self) -> None:
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None
            self.reply(self._join_frame, "ok", self._join.reply())
        self._system("postgres_changes", "ok", "Subscribed to PostgreSQL")

    def refused(self, message: str) -> None:
        self._is_refused = True
        if self._wait is not None:
            self._refuse_join(f"RealtimeDisabledForConfiguration: {message}")
        else:
            self._system("postgres_changes", "error", message)

    def missed(self) -> None:
        self._outlet.close(1012, "service restart")

    def _bindings(self) -> list[tuple[int, Binding]]:
        parsed = zip(self._join.requested, self._join.bindings(), strict=True)
        return [(binding_id(params), binding) for params, binding in parsed]

    async def _is_allowed_to_send(self) -> bool:
        if self._may_send is None:
            self._may_send = await authorization.may_send(self._state.database, self.claims, self.topic)
        return self._may_send

    def _watch_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        expires = self.claims.get("exp")
        if expires is not None:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(max(0.0, float(expires) - time.time()), self._expired)

    def _expired(self) -> None:
        self._end("Token has expired 0 seconds ago")

    def _waited_too_long(self) -> None:
        self._refuse_join("PostgresChangesSubscribeTimeout: changes are not delivered yet")

    def _refuse_join(self, reason: str) -> None:
        self.reply(self._join_frame, "error", {"reason": reason})
        self._outlet.forget(self)

    def _end(self, message: str) -> None:
        self._system("system", "error", message)
        self._outlet.send(Frame(self._wire_topic, "phx_close", {}, self.join_ref, self.join_ref))
        self._outlet.forget(self)

    def _system(self, extension: str, status: str, message: str) -> None:
        self._send("system", {"message": message, "status": status, "extension": extension, "channel": self.topic})

    def _send(self, event: str, payload: Mapping[str, Any]) -> None:
        self._outlet.send(Frame(self._wire_topic, event, payload))


def reply_to(frame: Frame, status: str, response: Mapping[str, Any]) -> Frame:
    payload = {"status": status, "response": response}
    return Frame(frame.topic, "phx_reply", payload, frame.ref, frame.join_ref)


def token_claims(state: State, token: str) -> dict[str, Any]:
    """Raises `JoinError`."""
    try:
        return claims_of(state.keys, token)
    except CallerError as error:
        code = "InvalidJWTExpiration" if error.expired else "MalformedJWT"
        raise JoinError(code, error.message) from error


def not_allowed(topic: str) -> JoinError:
    return JoinError("Unauthorized", f"You do not have permissions to read from this Channel topic: {topic}")

"""Broadcasts by HTTP, one by one (`httpSend`) or in a batch, and a fault to ask for: every socket is closed."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local.supabase.caller import CallerError, resolve
from deploy.local.supabase.realtime import authorization
from deploy.local.supabase.realtime.frames import MAX_FRAME_BYTES, MAX_TOPIC_BYTES
from deploy.local.supabase.realtime.outage import OUTAGES
from deploy.local.supabase.realtime.state import State

ACCEPTED = 202


class RequestError(Exception):
    """A request that is refused, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def response(self) -> Response:
        return JSONResponse({"error": str(self), "message": str(self)}, self.status)


async def send_one(state: State, request: Request) -> Response:
    """The body is the payload: JSON, or bytes for clients of the second protocol."""
    try:
        claims = caller(state, request)
        body = await _body(request)
        is_binary = request.headers.get("content-type", "").startswith("application/octet-stream")
        topic, event = _named(request.path_params)
        private = request.query_params.get("private") == "true"
        if private and not await _may_send(state, claims, topic):
            raise RequestError(403, f"You do not have permissions to write to this topic: {topic}")
        state.hub.publish(topic, private, event, body if is_binary else _json(body))
    except RequestError as error:
        return error.response()
    return Response(status_code=ACCEPTED)


async def send_many(state: State, request: Request) -> Response:
    """`{"messages": [{topic, event, payload, private}]}`. Private ones that the caller may not send are dropped."""
    try:
        claims = caller(state, request)
        batch = _json(await _body(request))
        messages = batch.get("messages") if isinstance(batch, Mapping) else None
        if not isinstance(messages, list) or not all(isinstance(message, Mapping) for message in messages):
            raise RequestError(422, "messages must be a list of objects")
        named = [(*_named(message), message) for message in messages]
        for topic, event, message in named:
            private = message.get("private") is True
            if not private or await _may_send(state, claims, topic):
                state.hub.publish(topic, private, event, message.get("payload", {}))
    except RequestError as error:
        return error.response()
    return Response(status_code=ACCEPTED)


def caller(state: State, request: Request) -> dict[str, Any]:
    """Raises `RequestError`."""
    try:
        return resolve(state.keys, request.headers, request.query_params)
    except CallerError as error:
        raise RequestError(401, error.message) from error


async def _may_send(state: State, claims: Mapping[str, Any], topic: str) -> bool:
    try:
        return await authorization.may_send(state.database, claims, topic)
    except OUTAGES as error:
        raise RequestError(503, "The database is away") from error


def _named(message: Mapping[str, Any]) -> tuple[str, str]:
    topic, event = message.get("topic"), message.get("event")
    for name in (topic, event):
        if not isinstance(name, str) or not 0 < len(name.encode()) <= MAX_TOPIC_BYTES:
            raise RequestError(422, f"topic and event must have 1 to {MAX_TOPIC_BYTES} bytes")
    return str(topic), str(event)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FRAME_BYTES:
            raise RequestError(413, "Payload too large")
    return bytes(body)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(400, "The body is not JSON") from error

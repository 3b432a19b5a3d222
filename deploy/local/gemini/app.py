"""The stand-in's HTTP side: generateContent and its stream, and the local switches of tests.

Stand-in of https://generativelanguage.googleapis.com; any path prefix is accepted, any API key but an empty one and
`invalid`. `/local/script` takes rules (see script.py), `/local/calls` lists what was asked, `/health` says it is up.
"""

import asyncio
from functools import partial
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.local.gemini.calls import Call, Calls
from deploy.local.gemini.canned import canned_answer
from deploy.local.gemini.connections import Connections
from deploy.local.gemini.edits import UnreadablePhotoError, edit_picture, recognise
from deploy.local.gemini.faults import Exchange, misbehave
from deploy.local.gemini.schema_values import plausible
from deploy.local.gemini.script import Script
from deploy.local.gemini.wire import (
    PICTURE_MODELS,
    TEXT_MODELS,
    Ask,
    Json,
    RefusedError,
    answer,
    dump,
    error_body,
    invalid_key,
    picture_part,
    read_ask,
)

_VERSIONS = frozenset({"v1", "v1beta", "v1alpha"})
_PAINTERS = 2
"""Pictures painted at a time; more would only wait for a processor."""


class StandIn:
    """One process's state: the script, the calls, the connections."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._script = Script()
        self._calls = Calls()
        self._painters = asyncio.Semaphore(_PAINTERS)

    def app(self) -> Starlette:
        routes = []
        for prefix in ("", "/{prefix:path}"):
            model = f"{prefix}/{{version}}/models/{{model}}"
            routes += [
                Route(f"{model}:generateContent", self.generate, methods=["POST", "GET"]),
                Route(f"{model}:streamGenerateContent", partial(self.generate, stream=True), methods=["POST"]),
            ]
        local = [
            Route("/health", _health),
            Route("/local/script", self.add_rules, methods=["POST"]),
            Route("/local/script", self.clear_rules, methods=["DELETE"]),
            Route("/local/calls", self.list_calls, methods=["GET"]),
            Route("/local/calls", self.clear_calls, methods=["DELETE"]),
        ]
        return Starlette(routes=[*local, *routes], exception_handlers={RefusedError: _refused, 404: _no_such_page})

    async def generate(self, request: Request, stream: bool = False) -> Response:
        model = request.path_params["model"]
        call = self._calls.seen(Call(request.method, model))
        try:
            return await self._answer(request, call, stream)
        except RefusedError:
            call.outcome = "refused"
            raise

    async def _answer(self, request: Request, call: Call, stream: bool) -> Response:
        body = await request.body()
        if request.method != "POST" or request.path_params["version"] not in _VERSIONS:
            raise RefusedError(404, "Requested entity was not found.")
        if request.headers.get("x-goog-api-key", "") in {"", "invalid"}:
            raise invalid_key()
        if (can := self._script.canned(call.model)) is not None:
            await asyncio.sleep(can.seconds)
            call.outcome = "canned"
            return Response(canned_answer(can, call.model), media_type="application/json")
        ask = read_ask(call.model, body)
        del body
        edit = recognise(ask.prompt)
        call.prompt, call.photo_sha256 = ask.prompt, ask.photo_sha256
        call.tool, call.value = ("analysis", "") if ask.wants_json else (edit.tool, edit.value)
        as_events = stream and request.query_params.get("alt") == "sse"
        pack = _pack_events if as_events else _pack_list if stream else dump
        media_type = "text/event-stream" if as_events else "application/json"
        wait, rule = self._script.take(ask.model, ask.prompt, ask.photo_sha256 or "")
        await asyncio.sleep(wait)
        if rule is not None:
            call.outcome = rule.kind
            peer = (request.client.host, request.client.port) if request.client else ("", 0)
            normal = partial(self._normal, ask)
            return await misbehave(rule, Exchange(ask, normal, pack, media_type, self._connections, peer))
        normal_body = await self._normal(ask)
        call.outcome = "picture" if ask.wants_picture else "json" if ask.wants_json else "text"
        return Response(pack(normal_body), media_type=media_type)

    async def _normal(self, ask: Ask) -> Json:
        """The answer of a healthy service. Raises RefusedError for what it would refuse."""
        if ask.model not in PICTURE_MODELS | TEXT_MODELS:
            raise RefusedError(404, f"models/{ask.model} is not found, or is not supported for generateContent.")
        if ask.wants_picture and ask.model not in PICTURE_MODELS:
            raise RefusedError(
                400, "The requested combination of response modalities (IMAGE) is not supported by the model."
            )
        if ask.wants_json:
            value = plausible(ask.schema or {"type": "object"}, ask.photo or ask.prompt.encode())
            return answer(ask, [{"text": orjson.dumps(value).decode()}])
        if not ask.wants_picture:
            return answer(ask, [{"text": "A friendly portrait of a person."}])
        if ask.photo is None:
            raise RefusedError(400, "This stand-in edits pictures: the request holds none.")
        try:
            async with self._painters:
                picture = await asyncio.to_thread(edit_picture, ask.photo, ask.prompt)
        except UnreadablePhotoError as error:
            raise RefusedError(400, "Unable to process input image. Please retry with another one.") from error
        return answer(ask, [picture_part(picture)])

    async def add_rules(self, request: Request) -> Response:
        try:
            self._script.add(await request.body())
        except ValidationError as error:
            return Response(error.json(include_url=False), 422, media_type="application/json")
        return Response(status_code=204)

    async def clear_rules(self, request: Request) -> Response:
        self._script.clear()
        return Response(status_code=204)

    async def list_calls(self, request: Request) -> Response:
        return Response(orjson.dumps(self._calls.listing()), media_type="application/json")

    async def clear_calls(self, request: Request) -> Response:
        self._calls.clear()
        return Response(status_code=204)


async def _health(request: Request) -> Response:
    return Response(b'{"status":"ok"}', media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return Response(dump(error.body), error.code, media_type="application/json")


async def _no_such_page(request: Request, error: Exception) -> Response:
    return Response(dump(error_body(404, "Requested entity was not found.")), 404, media_type="application/json")


def _chunks(body: Json) -> list[Json]:
    """One chunk a part, the last with the reason why it ended; an answer without parts is one chunk."""
    candidate = (body.get("candidates") or [{}])[0]
    parts = candidate.get("content", {}).get("parts", [])
    if len(parts) < 2:
        return [body]
    rest = {key: value for key, value in body.items() if key != "candidates"}
    chunks: list[Json] = []
    for number, part in enumerate(parts, 1):
        piece: dict[str, Any] = {"content": {"parts": [part], "role": "model"}, "index": 0}
        if number == len(parts):
            piece["finishReason"] = candidate["finishReason"]
        chunks.append({"candidates": [piece], **rest})
    return chunks


def _pack_events(body: Json) -> bytes:
    return b"".join(b"data: " + orjson.dumps(chunk) + b"\r\n\r\n" for chunk in _chunks(body))


def _pack_list(body: Json) -> bytes:
    return dump(_chunks(body))

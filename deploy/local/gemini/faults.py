"""How each scripted rule answers. The normal answer is made only by the rules that need it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from deploy.local.gemini import script
from deploy.local.gemini.connections import Connections, How, Peer
from deploy.local.gemini.wire import Ask, Json, about, answer, dump, error_body

_PAGE = b"<!doctype html><html><head><title>Error</title></head><body><h1>Service unavailable</h1></body></html>"
_BODYLESS = frozenset({204, 304})

Pack = Callable[[Json], bytes]
"""How an answer becomes bytes: plain JSON, or events of a stream."""


class CutResponse(Response):
    """An answer whose connection is reset or closed before its first byte, or after half of its body."""

    def __init__(self, connections: Connections, peer: Peer, how: How, half_of: bytes | None) -> None:
        super().__init__(half_of or b"", media_type="application/json")
        self._connections, self._peer, self._how = connections, peer, how
        self._starts = half_of is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._starts:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            half = bytes(self.body[: len(self.body) // 2])
            await send({"type": "http.response.body", "body": half, "more_body": True})
        await self._connections.cut(self._peer, self._how)


@dataclass(frozen=True)
class Exchange:
    """A request, and what it takes to answer it."""

    ask: Ask
    normal: Callable[[], Awaitable[Json]]
    pack: Pack
    media_type: str
    connections: Connections
    peer: Peer

    def sent(self, body: Json) -> Response:
        return Response(self.pack(body), media_type=self.media_type)

    async def whole(self) -> bytes:
        """The body of the normal answer."""
        return self.pack(await self.normal())


async def misbehave(rule: script.Rule, exchange: Exchange) -> Response:
    """The answer that `rule` prescribes for this request."""
    match rule:
        case script.RateLimited() | script.DailyQuota() | script.Status() | script.Redirect() | script.Html():
            return _refusal(rule, exchange.ask.model)
        case script.BlockedPrompt() | script.Finish() | script.NoImage() | script.TextOnly() | script.BadBase64():
            return exchange.sent(_without_picture(rule, exchange.ask))
        case script.Empty():
            return _empty(rule, exchange)
        case script.Thoughts():
            return exchange.sent(_thinking(await exchange.normal()))
        case script.CutText():
            return exchange.sent(_cut_text(await exchange.normal()))
        case script.TruncatedJson() | script.Hang() | script.Cut() | script.Drip():
            return await _broken_off(rule, exchange)
        case script.Delay() | script.Canned():
            raise AssertionError(rule.kind)  # neither answers a request that got this far


def _refusal(
    rule: script.RateLimited | script.DailyQuota | script.Status | script.Redirect | script.Html, model: str
) -> Response:
    match rule:
        case script.Status():
            return _status(rule)
        case script.Redirect():
            return RedirectResponse(f"/redirected/v1/models/{model}:generateContent", rule.status)
        case script.Html():
            return Response(_PAGE, media_type="text/html")
        case script.RateLimited() | script.DailyQuota():
            return _quota(rule, model)


def _without_picture(
    rule: script.BlockedPrompt | script.Finish | script.NoImage | script.TextOnly | script.BadBase64, ask: Ask
) -> Json:
    match rule:
        case script.BlockedPrompt():
            return {"promptFeedback": {"blockReason": rule.block_reason}, **about(ask)}
        case script.Finish():
            ended = {"finishReason": rule.finish_reason, "index": 0, "finishMessage": rule.finish_message}
            return {"candidates": [ended], **about(ask)}
        case script.NoImage():
            content = {"role": "model"} if rule.role else {}
            return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], **about(ask)}
        case script.TextOnly():
            return answer(ask, [{"text": rule.text}])
        case script.BadBase64():
            return answer(ask, [{"inlineData": {"mimeType": "image/png", "data": "%%% no base64 %%%"}}])


def _empty(rule: script.Empty, exchange: Exchange) -> Response:
    if rule.body == "nothing":
        return Response(b"", media_type=exchange.media_type)
    return exchange.sent({} if rule.body == "object" else about(exchange.ask))


async def _broken_off(
    rule: script.TruncatedJson | script.Hang | script.Cut | script.Drip, exchange: Exchange
) -> Response:
    match rule:
        case script.TruncatedJson():
            whole = await exchange.whole()
            return Response(whole[: len(whole) // 2], media_type=exchange.media_type)
        case script.Hang():
            await exchange.connections.left(exchange.peer)
            return CutResponse(exchange.connections, exchange.peer, "close", None)
        case script.Cut():
            half_of = await exchange.whole() if rule.at == "body" else None
            return CutResponse(exchange.connections, exchange.peer, rule.kind, half_of)
        case script.Drip():
            whole = await exchange.whole()
            headers = {"content-length": str(len(whole))}
            return StreamingResponse(_dripping(whole, rule), media_type=exchange.media_type, headers=headers)


def _quota(rule: script.RateLimited | script.DailyQuota, model: str) -> Response:
    daily = isinstance(rule, script.DailyQuota)
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
        "quotaId": f"GenerateRequestsPer{'Day' if daily else 'Minute'}PerProjectPerModel",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": "100",
    }
    details: list[Json] = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
        {
            "@type": "type.googleapis.com/google.rpc.Help",
            "links": [{"description": "Limits", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}],
        },
    ]
    message = "You exceeded your current quota."
    if rule.retry_delay is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": rule.retry_delay})
        message += f" Please retry in {rule.retry_delay}."
    response = _json(429, error_body(429, message, details))
    if isinstance(rule, script.RateLimited) and rule.retry_after is not None:
        response.headers["retry-after"] = str(rule.retry_after)
    return response


def _status(rule: script.Status) -> Response:
    if rule.body == "nothing" or rule.status in _BODYLESS:
        return Response(status_code=rule.status)
    if rule.body == "html":
        return Response(_PAGE, rule.status, media_type="text/html")
    if rule.body == "garbage":
        return Response(b"upstream connect error", rule.status, media_type="application/json")
    return _json(rule.status, error_body(rule.status, rule.message))


def _json(status: int, body: Any) -> Response:
    return Response(dump(body), status, media_type="application/json")


def _parts(body: Json) -> list[Json]:
    parts: list[Json] = body["candidates"][0]["content"]["parts"]
    return parts


def _thinking(body: Json) -> Json:
    parts = _parts(body)
    pictures = [{"inlineData": part["inlineData"], "thought": True} for part in parts if "inlineData" in part]
    parts[:0] = [{"text": "Looking at the face first.", "thought": True}, *pictures]
    return body


def _cut_text(body: Json) -> Json:
    body["candidates"][0]["finishReason"] = "MAX_TOKENS"
    for part in _parts(body):
        if "text" in part:
            part["text"] = part["text"][: len(part["text"]) // 2]
    return body


async def _dripping(whole: bytes, rule: script.Drip) -> AsyncIterator[bytes]:
    size = -(-len(whole) // rule.pieces)
    for start in range(0, len(whole), size):
        if start:
            await asyncio.sleep(rule.interval)
        yield whole[start : start + size]

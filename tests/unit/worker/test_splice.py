"""Pictures go around the client, and what goes over the wire is what the client alone would send and read."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.worker import pictures
from worker import prompts
from worker.failures import AttemptError
from worker.gemini import Gemini, client
from worker.gemini.splice import Exchange, SplicingTransport, TurnGate, cut
from worker.photos import prepare_photo

PHOTO = prepare_photo(pictures.jpeg(), max_pixels=10_000)
RESULT = pictures.png(width=200, height=100)
Body = dict[str, Any]


class Recorded(SplicingTransport):
    """The splicing transport with a network that keeps what it is sent and answers `answer`."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(10**8, TurnGate())
        self._answer = answer
        self.sent: list[bytes] = []

    async def exchange(self, request: httpx.Request, body: list[bytes]) -> tuple[int, list[tuple[str, str]], bytes]:
        self.sent.append(b"".join(body))
        return 200, [("content-type", "application/json")], self._answer


def answer(data: str, **more: object) -> bytes:
    part = {"inlineData": {"mimeType": "image/png", "data": data}}
    candidate = {"content": {"parts": [{"text": "Here it is."}, part]}, "finishReason": "STOP", **more}
    return json.dumps({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 7}}).encode()


@asynccontextmanager
async def gemini(body: bytes) -> AsyncIterator[tuple[Gemini, Recorded]]:
    transport = Recorded(body)
    http = httpx.AsyncClient(transport=transport)
    options = types.HttpOptions(httpx_async_client=http, retry_options=types.HttpRetryOptions(attempts=1))
    opened = Gemini(genai.Client(api_key="key", vertexai=False, http_options=options), http, TurnGate(), 10)
    try:
        yield opened, transport
    finally:
        await opened.close()


async def plainly_sent(config: types.GenerateContentConfig, prompt: str) -> Body:
    """What the client sends when nobody gets in its way."""
    sent: list[bytes] = []

    async def keep(request: httpx.Request) -> httpx.Response:
        sent.append(await request.aread())
        return httpx.Response(200, json={})

    async with httpx.AsyncClient(transport=httpx.MockTransport(keep)) as http:
        plain = genai.Client(api_key="key", vertexai=False, http_options=types.HttpOptions(httpx_async_client=http))
        picture = types.Part.from_bytes(data=PHOTO.content, mime_type=PHOTO.header.mime_type)
        contents = types.Content(role="user", parts=[picture, types.Part(text=prompt)])
        await plain.aio.models.generate_content(model="m", contents=contents, config=config)
        plain.close()
    return decoded(sent[0])


def decoded(body: bytes) -> Body:
    """The request with its picture as bytes: base64 has two alphabets, and both are right."""
    request: Body = json.loads(body)
    data = request["contents"][0]["parts"][0]["inlineData"]
    data["data"] = base64.urlsafe_b64decode(data["data"])
    return request


async def test_an_edit_sends_what_the_client_alone_would_send() -> None:
    async with gemini(answer(base64.b64encode(RESULT).decode())) as (opened, transport):
        await opened.edit("m", PHOTO, "make it blue, naïvely")
    expected = await plainly_sent(client._PICTURE_CONFIG, "make it blue, naïvely")
    assert decoded(transport.sent[0]) == expected
    assert expected["contents"][0]["parts"][0]["inlineData"]["data"] == PHOTO.content


async def test_an_analysis_sends_what_the_client_alone_would_send() -> None:
    async with gemini(answer("")) as (opened, transport):
        with pytest.raises(AttemptError):
            await opened.analyse("m", PHOTO)
    assert decoded(transport.sent[0]) == await plainly_sent(client._ANALYSIS_CONFIG, prompts.ANALYSIS)


SPELLINGS: dict[str, Callable[[bytes], str]] = {
    "standard": lambda data: base64.b64encode(data).decode(),
    "url-safe": lambda data: base64.urlsafe_b64encode(data).decode(),
    "without padding": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("padding", range(3))
async def test_a_picture_is_read_in_every_spelling_of_base64(spelling: Callable[[bytes], str], padding: int) -> None:
    result = RESULT + bytes(padding)
    async with gemini(answer(spelling(result))) as (opened, _):
        picture = await opened.edit("m", PHOTO, "p")
    assert (picture.content, picture.mime_type, picture.usage.prompt_tokens) == (result, "image/png", 7)


async def test_a_picture_is_read_with_escapes_that_json_allows() -> None:
    body = answer(base64.b64encode(RESULT).decode()).replace(b"=", b"\\u003d").replace(b"/", b"\\/")
    async with gemini(body) as (opened, _):
        assert (await opened.edit("m", PHOTO, "p")).content == RESULT


async def test_the_kind_of_a_result_comes_from_its_bytes() -> None:
    async with gemini(answer(base64.b64encode(pictures.webp()).decode())) as (opened, _):
        assert (await opened.edit("m", PHOTO, "p")).mime_type == "image/webp"


@pytest.mark.parametrize("data", ["%%% no base64 %%%", base64.b64encode(os.urandom(4000)).decode(), "A" * 2001])
async def test_what_is_no_picture_is_an_invalid_result(data: str) -> None:
    async with gemini(answer(data)) as (opened, _):
        with pytest.raises(AttemptError, match="result_invalid"):
            await opened.edit("m", PHOTO, "p")


async def test_why_gemini_stopped_is_kept_for_the_log() -> None:
    body = json.dumps({"candidates": [{"finishReason": "NO_IMAGE", "finishMessage": "Could not."}]}).encode()
    async with gemini(body) as (opened, _):
        with pytest.raises(AttemptError, match="Could not"):
            await opened.edit("m", PHOTO, "p")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", 'x"data', "text", "\\"]) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values, st.booleans(), st.integers(0, 3))
def test_cutting_pictures_out_leaves_the_rest_of_any_answer_as_it_is(
    value: object, escaped: bool, pictures_inside: int
) -> None:
    long = "A" * 2000
    body = {"rest": value, "pictures": [{"data": long}] * pictures_inside, "text": json.dumps({"data": long})}
    exchange = Exchange(b"")
    rest = json.loads(cut(json.dumps(body, ensure_ascii=escaped).encode(), exchange))
    assert [bytes(found) for found in exchange.results] == [long.encode()] * pictures_inside
    assert rest["rest"] == value
    assert rest["text"] == body["text"]
    assert all(len(item["data"]) < 100 for item in rest["pictures"])


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_cutting_takes_any_bytes(before: bytes, after: bytes) -> None:
    cut(before + b'"data": "' + after, Exchange(b""))


async def test_the_gate_lets_one_through_per_turn_of_the_loop() -> None:
    gate, passed = TurnGate(), 0

    async def call() -> None:
        nonlocal passed
        await gate.passed()
        passed += 1

    calls = [asyncio.create_task(call()) for _ in range(20)]
    while passed < len(calls):
        before = passed
        await asyncio.sleep(0)
        assert passed <= before + 1
    await asyncio.gather(*calls)

"""Each scripted misbehaviour, and what the genuine client makes of it over each of its transports."""

import asyncio
import io
import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import httpx2
import pydantic
import pytest
from google.genai import errors, types
from PIL import Image

from tests.contract.gemini.conftest import PICTURE_MODEL, Connect, StandIn, edit, pictures

Raised = dict[str, type[Exception]]


def retry_delay(error: errors.APIError) -> str | None:
    details = error.details["error"]["details"]
    delays: Iterator[str] = (item["retryDelay"] for item in details if item["@type"].endswith("google.rpc.RetryInfo"))
    return next(delays, None)


def quota_id(error: errors.APIError) -> str:
    details = error.details["error"]["details"]
    name: str = next(item["violations"][0]["quotaId"] for item in details if "violations" in item)
    return name


async def test_a_rate_limit_names_its_delay_in_the_body_and_in_the_header(
    connect: Connect, gemini: StandIn, photo: bytes
) -> None:
    await gemini.script({"kind": "rate_limited", "retry_delay": "34.07s", "retry_after": 35})
    with pytest.raises(errors.ClientError) as raised:
        await edit(connect(), photo)
    assert (raised.value.code, raised.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert retry_delay(raised.value) == "34.07s"
    assert "PerDay" not in quota_id(raised.value)
    assert raised.value.response.headers.get("Retry-After") == "35"


async def test_a_daily_quota_is_told_by_its_id(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    await gemini.script({"kind": "daily_quota"})
    with pytest.raises(errors.ClientError) as raised:
        await edit(connect(), photo)
    assert "PerDay" in quota_id(raised.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 429, 499])
async def test_a_status_of_400_and_more_is_a_client_error(
    connect: Connect, gemini: StandIn, photo: bytes, status: int
) -> None:
    await gemini.script({"kind": "status", "status": status, "message": "as scripted"})
    with pytest.raises(errors.ClientError, match="as scripted") as raised:
        await edit(connect(), photo)
    assert raised.value.code == status


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_status_of_500_and_more_is_a_server_error(
    connect: Connect, gemini: StandIn, photo: bytes, status: int
) -> None:
    await gemini.script({"kind": "status", "status": status})
    with pytest.raises(errors.ServerError) as raised:
        await edit(connect(), photo)
    assert raised.value.code == status


async def test_no_content_is_an_api_error(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    await gemini.script({"kind": "status", "status": 204, "body": "nothing"})
    with pytest.raises(errors.APIError) as raised:
        await edit(connect(), photo)
    assert raised.value.code == 204


async def test_a_proxys_page_becomes_the_message(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    await gemini.script({"kind": "status", "status": 502, "body": "html"})
    with pytest.raises(errors.ServerError) as raised:
        await edit(connect(), photo)
    assert "<html>" in raised.value.details["message"]


async def test_an_error_that_only_claims_to_be_json(
    connect: Connect, gemini: StandIn, photo: bytes, transport: str
) -> None:
    await gemini.script({"kind": "status", "status": 502, "body": "garbage"})
    expected: Raised = {"httpx2": errors.ServerError, "aiohttp": json.JSONDecodeError}
    with pytest.raises(expected[transport]):
        await edit(connect(), photo)


async def test_a_302_is_followed_without_the_request(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    await gemini.script({"kind": "redirect", "times": 1})
    with pytest.raises(errors.ClientError) as raised:
        await edit(connect(), photo)
    assert raised.value.code == 404
    assert [call["method"] for call in await gemini.calls()] == ["POST", "GET"]


async def test_a_307_is_followed_with_the_request(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    await gemini.script({"kind": "redirect", "status": 307, "times": 1})
    assert len(pictures(await edit(connect(), photo))) == 1
    assert [call["outcome"] for call in await gemini.calls()] == ["redirect", "picture"]


@pytest.mark.parametrize("kind", ["truncated_json", "html"])
async def test_a_body_that_is_not_json(connect: Connect, gemini: StandIn, photo: bytes, kind: str) -> None:
    await gemini.script({"kind": kind})
    with pytest.raises(json.JSONDecodeError):
        await edit(connect(), photo)


async def test_a_picture_that_is_not_base64(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    await gemini.script({"kind": "bad_base64"})
    with pytest.raises(pydantic.ValidationError):
        await edit(connect(), photo)


async def test_no_answer_within_the_deadline(connect: Connect, gemini: StandIn, photo: bytes, transport: str) -> None:
    await gemini.script({"kind": "hang"})
    expected: Raised = {"httpx2": httpx2.ReadTimeout, "aiohttp": TimeoutError}
    with pytest.raises(expected[transport]):
        await edit(connect(timeout_ms=400), photo)
    assert [call["outcome"] for call in await gemini.calls()] == ["hang"]


BROKEN: list[tuple[dict[str, Any], Raised]] = [
    ({"kind": "reset"}, {"httpx2": httpx2.ReadError, "aiohttp": aiohttp.ClientOSError}),
    ({"kind": "close"}, {"httpx2": httpx2.RemoteProtocolError, "aiohttp": aiohttp.ServerDisconnectedError}),
    ({"kind": "close", "at": "body"}, {"httpx2": httpx2.RemoteProtocolError, "aiohttp": aiohttp.ClientPayloadError}),
]


@pytest.mark.parametrize("broken", BROKEN, ids=["reset", "close", "close-in-body"])
async def test_a_connection_that_breaks(
    connect: Connect, gemini: StandIn, photo: bytes, transport: str, broken: tuple[dict[str, Any], Raised]
) -> None:
    rule, expected = broken
    await gemini.script(rule)
    with pytest.raises(expected[transport]):
        await edit(connect(), photo)
    assert len(await gemini.calls()) == 1  # the client's hidden second attempt is switched off


async def test_a_reset_in_the_middle_of_the_body(
    connect: Connect, gemini: StandIn, photo: bytes, transport: str
) -> None:
    await gemini.script({"kind": "reset", "at": "body"})
    expected: dict[str, tuple[type[Exception], ...]] = {
        "httpx2": (httpx2.ReadError,),
        "aiohttp": (aiohttp.ClientOSError, aiohttp.ClientPayloadError),
    }
    with pytest.raises(expected[transport]):
        await edit(connect(), photo)


async def test_a_dripping_body_outlives_the_deadline_over_httpx2_only(
    connect: Connect, gemini: StandIn, photo: bytes, transport: str
) -> None:
    await gemini.script({"kind": "drip", "pieces": 8, "interval": 0.3})
    client = connect(timeout_ms=1500)
    if transport == "httpx2":  # it measures each read on its own
        assert len(pictures(await edit(client, photo))) == 1
    else:
        with pytest.raises(TimeoutError):
            await edit(client, photo)


async def test_a_blocked_prompt_has_a_reason_and_no_candidates(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    await gemini.script({"kind": "blocked_prompt", "block_reason": "IMAGE_SAFETY"})
    response = await edit(connect(), photo)
    assert response.candidates is None
    assert response.prompt_feedback is not None
    assert response.prompt_feedback.block_reason is types.BlockedReason.IMAGE_SAFETY


@pytest.mark.parametrize(
    "reason",
    [
        "SAFETY", "PROHIBITED_CONTENT", "RECITATION", "BLOCKLIST", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION", "NO_IMAGE", "IMAGE_OTHER",
    ],
)  # fmt: skip
async def test_a_filtered_output_has_a_reason_and_no_content(
    connect: Connect, gemini: StandIn, photo: bytes, reason: str
) -> None:
    await gemini.script({"kind": "finish_reason", "finish_reason": reason})
    response = await edit(connect(), photo)
    assert response.candidates is not None
    (candidate,) = response.candidates
    assert (candidate.finish_reason, candidate.content) == (types.FinishReason[reason], None)


@pytest.mark.parametrize("role", [True, False])
async def test_content_without_parts(connect: Connect, gemini: StandIn, photo: bytes, role: bool) -> None:
    await gemini.script({"kind": "no_image", "role": role})
    response = await edit(connect(), photo)
    assert response.candidates is not None
    content = response.candidates[0].content
    assert content is not None
    assert content.parts is None
    assert response.candidates[0].finish_reason is types.FinishReason.STOP


async def test_words_instead_of_a_picture(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    await gemini.script({"kind": "text_only", "text": "I cannot do that."})
    response = await edit(connect(), photo)
    assert response.text == "I cannot do that."
    assert pictures(response) == []


@pytest.mark.parametrize("body", ["usage", "object", "nothing"])
async def test_an_answer_with_nothing_in_it(connect: Connect, gemini: StandIn, photo: bytes, body: str) -> None:
    await gemini.script({"kind": "empty", "body": body})
    response = await edit(connect(), photo)
    assert (response.candidates, response.prompt_feedback) == (None, None)


async def test_thoughts_come_before_the_picture(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    await gemini.script({"kind": "thoughts"})
    response = await edit(connect(), photo)
    assert response.candidates is not None
    assert response.candidates[0].content is not None
    assert [part.thought for part in response.candidates[0].content.parts or []] == [True, True, None]
    assert len(pictures(response)) == 1


@pytest.mark.parametrize("transport", ["aiohttp"])
async def test_a_rule_ends_after_its_times_and_the_next_one_applies(
    connect: Connect, gemini: StandIn, photo: bytes
) -> None:
    client = connect()
    await gemini.script(
        {"kind": "delay", "seconds": 0.01, "times": 3},
        {"kind": "text_only", "times": 1},
        {"kind": "finish_reason", "times": 1},
    )
    for _ in range(3):
        await edit(client, photo)
    assert [call["outcome"] for call in await gemini.calls()] == ["text_only", "finish_reason", "picture"]


@pytest.mark.parametrize("transport", ["aiohttp"])
async def test_a_rule_applies_to_what_it_matches(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    client = connect()
    await gemini.script({"kind": "text_only", "match": "bald"})
    assert pictures(await edit(client, photo, "make the person bald, 70 per cent")) == []
    assert len(pictures(await edit(client, photo))) == 1
    await gemini.http.delete("/local/script")
    assert len(pictures(await edit(client, photo, "make the person bald, 70 per cent"))) == 1


@pytest.mark.parametrize("transport", ["aiohttp"])
async def test_a_canned_picture_is_a_picture_of_the_size_asked_for(
    connect: Connect, gemini: StandIn, photo: bytes
) -> None:
    await gemini.script({"kind": "canned", "match": PICTURE_MODEL, "picture_bytes": 300_000})
    (picture,) = pictures(await edit(connect(), photo))
    assert len(picture) == pytest.approx(300_000, abs=8)
    Image.open(io.BytesIO(picture)).load()


@pytest.mark.parametrize("transport", ["aiohttp"])
async def test_the_loop_stays_free_while_pictures_are_painted(gemini: StandIn, connect: Connect, photo: bytes) -> None:
    large = await asyncio.to_thread(_enlarged, photo)
    painting = asyncio.create_task(edit(connect(), large))
    while [call["outcome"] for call in await gemini.calls()] != ["running"]:
        assert not painting.done()
    assert (await gemini.http.get("/health")).status_code == 200
    assert not painting.done()
    await painting


def _enlarged(photo: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(photo)).resize((3600, 4800)).save(out, "JPEG")
    return out.getvalue()


@pytest.mark.parametrize(
    "rule",
    [{"kind": "nonsense"}, {"kind": "status"}, {"kind": "delay", "secs": 1}, {"kind": "text_only", "times": 0}],
)
async def test_a_rule_that_is_none_is_refused_and_changes_nothing(gemini: StandIn, rule: dict[str, Any]) -> None:
    answer = await gemini.http.post("/local/script", json=[{"kind": "hang"}, rule])
    assert answer.status_code == 422
    assert rule["kind"] in answer.text
    plain = await gemini.http.post(
        "/v1/models/gemini-3.8-flash:generateContent",
        json={"contents": [{"parts": [{"text": "hello"}]}]},
        headers={"x-goog-api-key": "k"},
    )
    assert plain.status_code == 200

"""Each way in which Gemini fails ends as the failure policy says, seen through the genuine client."""

from dataclasses import replace

import pytest

from deploy.local.portrait import jpeg, portrait
from tests.integration.worker.attempts.conftest import ANALYSIS_MODEL, MODEL, Bench
from worker.failures import AttemptError
from worker.gemini import open_gemini
from worker.limits import LimitedGemini
from worker.photos import Photo, prepare_photo
from worker.prompts import picture_prompt

PROMPT = picture_prompt("age", {"age": 40})
FINAL, AGAIN, ONCE, TWICE = 0, None, 1, 2

Row = tuple[dict[str, object], str, int | None]
ROWS: dict[str, Row] = {
    "per-minute limit": ({"kind": "rate_limited", "retry_delay": "34.07s"}, "rate_limited", AGAIN),
    "limit with a header only": (
        {"kind": "rate_limited", "retry_delay": None, "retry_after": 7},
        "rate_limited",
        AGAIN,
    ),
    "daily quota": ({"kind": "daily_quota"}, "quota_exhausted", FINAL),
    **{
        f"status {s}": ({"kind": "status", "status": s}, "gemini_unavailable", AGAIN) for s in (408, 500, 502, 503, 504)
    },
    "page from a proxy": ({"kind": "status", "status": 502, "body": "html"}, "gemini_unavailable", AGAIN),
    "garbage from a proxy": ({"kind": "status", "status": 502, "body": "garbage"}, "gemini_unavailable", AGAIN),
    **{f"status {s}": ({"kind": "status", "status": s}, "gemini_rejected", FINAL) for s in (400, 413)},
    **{f"status {s}": ({"kind": "status", "status": s}, "gemini_misconfigured", FINAL) for s in (401, 403, 404)},
    "reset before the answer": ({"kind": "reset"}, "gemini_interrupted", ONCE),
    "closed before the answer": ({"kind": "close"}, "gemini_interrupted", ONCE),
    "reset in the answer": ({"kind": "reset", "at": "body"}, "gemini_interrupted", ONCE),
    "closed in the answer": ({"kind": "close", "at": "body"}, "gemini_interrupted", ONCE),
    "prompt blocked": ({"kind": "blocked_prompt"}, "blocked", FINAL),
    **{
        f"finish {reason}": ({"kind": "finish_reason", "finish_reason": reason}, "blocked", FINAL)
        for reason in (
            "SAFETY",
            "PROHIBITED_CONTENT",
            "RECITATION",
            "BLOCKLIST",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
        )
    },
    **{
        f"finish {reason}": ({"kind": "finish_reason", "finish_reason": reason}, "no_picture", TWICE)
        for reason in ("NO_IMAGE", "IMAGE_OTHER", "OTHER", "MAX_TOKENS")
    },
    "content without parts": ({"kind": "no_image"}, "no_picture", TWICE),
    "words instead of a picture": ({"kind": "text_only"}, "no_picture", TWICE),
    "usage only": ({"kind": "empty"}, "no_picture", TWICE),
    "an empty object": ({"kind": "empty", "body": "object"}, "no_picture", TWICE),
    "an empty body": ({"kind": "empty", "body": "nothing"}, "no_picture", TWICE),
    "half of the JSON": ({"kind": "truncated_json"}, "result_invalid", TWICE),
    "a page instead of JSON": ({"kind": "html"}, "result_invalid", TWICE),
    "broken base64": ({"kind": "bad_base64"}, "result_invalid", TWICE),
    "no content": ({"kind": "status", "status": 204}, "result_invalid", TWICE),
    "a redirect": ({"kind": "redirect"}, "result_invalid", TWICE),
}


@pytest.fixture
def gemini(bench: Bench) -> LimitedGemini:
    return bench.resources.gemini


@pytest.fixture(scope="module")
def photo() -> Photo:
    return prepare_photo(jpeg(portrait(120, 160)), max_pixels=10**6)


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
async def test_every_failure_has_its_code(bench: Bench, gemini: LimitedGemini, photo: Photo, row: Row) -> None:
    rule, code, retries = row
    await bench.gemini.answers(rule)
    with pytest.raises(AttemptError) as failed:
        await gemini.edit(MODEL, photo, PROMPT)
    assert (failed.value.failure.code, failed.value.failure.retries) == (code, retries)
    assert len(await bench.gemini.calls()) == 1


@pytest.mark.parametrize(
    ("rule", "delay"),
    [
        ({"kind": "rate_limited", "retry_delay": "34.07s"}, 34.07),
        ({"kind": "rate_limited", "retry_delay": None, "retry_after": 7}, 7),
        ({"kind": "rate_limited", "retry_delay": None}, None),
    ],
)
async def test_the_wait_that_gemini_asks_for_is_understood(
    bench: Bench, gemini: LimitedGemini, photo: Photo, rule: dict[str, object], delay: float | None
) -> None:
    await bench.gemini.answers(rule)
    with pytest.raises(AttemptError) as failed:
        await gemini.edit(MODEL, photo, PROMPT)
    assert failed.value.delay == delay


async def test_why_gemini_stopped_is_known(bench: Bench, gemini: LimitedGemini, photo: Photo) -> None:
    await bench.gemini.answers(
        {"kind": "finish_reason", "finish_reason": "IMAGE_SAFETY", "finish_message": "Too scary."}
    )
    with pytest.raises(AttemptError, match=r"IMAGE_SAFETY: Too scary\."):
        await gemini.edit(MODEL, photo, PROMPT)


@pytest.mark.parametrize("rule", [{"kind": "hang"}, {"kind": "drip", "pieces": 1000, "interval": 1}])
async def test_no_call_outlives_its_deadline(bench: Bench, photo: Photo, rule: dict[str, object]) -> None:
    impatient = open_gemini(bench.resources.settings.model_copy(update={"gemini_timeout_seconds": 0.3}))
    await bench.gemini.answers(rule)
    try:
        with pytest.raises(AttemptError, match="gemini_interrupted"):
            await impatient.edit(MODEL, photo, PROMPT)
    finally:
        await impatient.close()


async def test_nobody_listening_is_worth_another_try(bench: Bench, photo: Photo) -> None:
    elsewhere = open_gemini(bench.resources.settings.model_copy(update={"gemini_base_url": "http://127.0.0.1:9"}))
    try:
        with pytest.raises(AttemptError, match="gemini_unavailable"):
            await elsewhere.edit(MODEL, photo, PROMPT)
    finally:
        await elsewhere.close()


async def test_an_unknown_model_is_loud(bench: Bench, gemini: LimitedGemini, photo: Photo) -> None:
    with pytest.raises(AttemptError) as failed:
        await gemini.edit("retired-model", photo, PROMPT)
    assert failed.value.failure.operator


async def test_a_thought_is_not_taken_for_the_result(bench: Bench, gemini: LimitedGemini, photo: Photo) -> None:
    await bench.gemini.answers({"kind": "thoughts", "times": 1})
    after_thought = await gemini.edit(MODEL, photo, PROMPT)
    assert after_thought.content == (await gemini.edit(MODEL, photo, PROMPT)).content


async def test_an_analysis_has_all_its_fields(gemini: LimitedGemini, photo: Photo) -> None:
    analysis = await gemini.analyse(ANALYSIS_MODEL, photo)
    assert len(analysis.result.model_dump()) == 13
    assert analysis.usage.total_tokens > 0


@pytest.mark.parametrize("kind", ["text_only", "cut_text", "thoughts"])
async def test_an_analysis_is_whole_or_invalid(bench: Bench, gemini: LimitedGemini, photo: Photo, kind: str) -> None:
    await bench.gemini.answers({"kind": kind})
    if kind == "thoughts":
        assert (await gemini.analyse(ANALYSIS_MODEL, photo)).result.face_shape
        return
    with pytest.raises(AttemptError, match="result_invalid"):
        await gemini.analyse(ANALYSIS_MODEL, photo)


async def test_a_large_picture_arrives_whole(bench: Bench, gemini: LimitedGemini, photo: Photo) -> None:
    await bench.gemini.answers({"kind": "canned", "picture_bytes": 3_000_000})
    large = replace(photo, content=photo.content + bytes(3_000_000))
    picture = await gemini.edit(MODEL, large, PROMPT)
    assert picture.mime_type == "image/jpeg"
    assert abs(len(picture.content) - 3_000_000) < 100_000

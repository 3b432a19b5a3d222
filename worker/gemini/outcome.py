"""What came of a call to Gemini: a picture, an analysis, or a failure of `worker.failures`.

An answer with HTTP 200 may still be a refusal; an exception may mean that the call has been billed. Each is named here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Final

import httpx
from google.genai import errors, types
from pydantic import ValidationError

from schemas.analysis import AnalysisResult
from worker.failures import (
    BLOCKED,
    GEMINI_INTERRUPTED,
    GEMINI_MISCONFIGURED,
    GEMINI_REJECTED,
    GEMINI_UNAVAILABLE,
    NO_PICTURE,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    RESULT_INVALID,
    AttemptError,
)
from worker.gemini.splice import Exchange
from worker.photos.header import InvalidPhotoError, read_header
from worker.transport import ResponseTooLargeError

_BLOCKED_FINISHES: Final = frozenset(
    {
        types.FinishReason.SAFETY,
        types.FinishReason.PROHIBITED_CONTENT,
        types.FinishReason.RECITATION,
        types.FinishReason.BLOCKLIST,
        types.FinishReason.SPII,
        types.FinishReason.IMAGE_SAFETY,
        types.FinishReason.IMAGE_PROHIBITED_CONTENT,
        types.FinishReason.IMAGE_RECITATION,
    }
)
_TRANSIENT_STATUSES: Final = frozenset({408, 499})
_MISCONFIGURED_STATUSES: Final = frozenset({401, 402, 403, 404})
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,9})?")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call consumed, for the operator's books."""

    model: str | None
    response_id: str | None
    prompt_tokens: int
    output_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class Picture:
    content: bytes
    mime_type: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Analysis:
    result: AnalysisResult
    usage: Usage


def picture_of(response: types.GenerateContentResponse, exchange: Exchange) -> Picture:
    """The picture in an answer, its kind taken from its own first bytes. Raises `AttemptError`."""
    finish = _refuse_blocked(response, exchange)
    for part in _parts(response):
        if part.inline_data is None or not part.inline_data.data:
            continue
        try:
            content = exchange.result(part.inline_data.data)
            header = read_header(content)
        except (ValueError, InvalidPhotoError) as error:
            raise AttemptError(RESULT_INVALID, f"picture: {type(error).__name__}") from None
        return Picture(content, header.mime_type, _usage(response))
    raise AttemptError(NO_PICTURE, _detail(finish, exchange))


def analysis_of(response: types.GenerateContentResponse, exchange: Exchange) -> Analysis:
    """The analysis in an answer, every field checked. Raises `AttemptError`."""
    finish = _refuse_blocked(response, exchange)
    text = "".join(part.text or "" for part in _parts(response))
    try:
        return Analysis(AnalysisResult.model_validate_json(text), _usage(response))
    except ValidationError as error:
        fields = sorted({str(fault["loc"][0]) if fault["loc"] else "json" for fault in error.errors()})
        raise AttemptError(RESULT_INVALID, f"analysis: {_detail(finish, exchange)} {','.join(fields)[:200]}") from None


def failure_of(error: Exception) -> AttemptError | None:
    """What an exception of the client or its transport means; none for one that is nobody's but ours."""
    match error:
        case AttemptError():
            return error
        case errors.APIError():
            return _refusal(error)
        case httpx.ConnectError() | httpx.ConnectTimeout():
            return AttemptError(GEMINI_UNAVAILABLE, type(error).__name__)
        case httpx.TransportError() | TimeoutError():
            return AttemptError(GEMINI_INTERRUPTED, type(error).__name__)
        case (
            ResponseTooLargeError()
            | ValidationError()
            | JSONDecodeError()
            | UnicodeDecodeError()
            | errors.UnknownApiResponseError()
        ):
            return AttemptError(RESULT_INVALID, type(error).__name__)
        case _:
            return None


def _refuse_blocked(response: types.GenerateContentResponse, exchange: Exchange) -> str:
    feedback = response.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        raise AttemptError(BLOCKED, f"prompt {feedback.block_reason.value}")
    reason = response.candidates[0].finish_reason if response.candidates else None
    finish = str(reason.value) if reason is not None else "none"
    if reason in _BLOCKED_FINISHES:
        raise AttemptError(BLOCKED, _detail(finish, exchange))
    return finish


def _detail(finish: str, exchange: Exchange) -> str:
    return f"finish {finish}: {exchange.finish_message}" if exchange.finish_message else f"finish {finish}"


def _parts(response: types.GenerateContentResponse) -> Iterator[types.Part]:
    """The first candidate's parts, without what the model thought on its way."""
    content = response.candidates[0].content if response.candidates else None
    for part in (content.parts if content is not None else None) or ():
        if not part.thought:
            yield part


def _usage(response: types.GenerateContentResponse) -> Usage:
    used = response.usage_metadata
    return Usage(
        model=response.model_version,
        response_id=response.response_id,
        prompt_tokens=(used and used.prompt_token_count) or 0,
        output_tokens=(used and used.candidates_token_count) or 0,
        total_tokens=(used and used.total_token_count) or 0,
    )


def _refusal(error: errors.APIError) -> AttemptError:
    details = list(_details(error.details))
    detail = f"{error.code} {error.status or ''}".strip()
    if error.code == 429:
        if any("PerDay" in quota for quota in _violated_quotas(details)):
            return AttemptError(QUOTA_EXHAUSTED, detail)
        return AttemptError(RATE_LIMITED, detail, delay=_retry_after(error, details))
    if error.code >= 500 or error.code in _TRANSIENT_STATUSES:
        return AttemptError(GEMINI_UNAVAILABLE, detail, delay=_retry_after(error, details))
    reasons = {str(item.get("reason")) for item in details}
    if error.code in _MISCONFIGURED_STATUSES or "API_KEY_INVALID" in reasons:
        return AttemptError(GEMINI_MISCONFIGURED, detail)
    if error.code >= 400:
        return AttemptError(GEMINI_REJECTED, detail)
    return AttemptError(RESULT_INVALID, detail)


def _details(body: object) -> Iterator[Mapping[str, object]]:
    """The entries of `error.details`, whatever the body looks like."""
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for item in details if isinstance(details, list) else ():
        if isinstance(item, dict):
            yield item


def _violated_quotas(details: list[Mapping[str, object]]) -> Iterator[str]:
    for item in details:
        violations = item.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict):
                yield str(violation.get("quotaId"))


def _retry_after(error: errors.APIError, details: list[Mapping[str, object]]) -> float | None:
    """Seconds that the service asks to wait, in the body (`"34.07s"`) or in the header."""
    asked = [str(item["retryDelay"]).removesuffix("s") for item in details if "retryDelay" in item]
    headers = getattr(error.response, "headers", None) or {}
    asked.append(str(headers.get("retry-after", "")))
    return next((float(seconds) for seconds in asked if _SECONDS.fullmatch(seconds)), None)

"""Gemini's REST format, as the genuine client speaks it: requests read, answers and errors written.

Requests carry camelCase at the outer levels and snake_case inside some values, and URL-safe base64; both spellings of
keys and both alphabets are read. Answers are camelCase, standard base64, and indented as the real service's are.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from deploy.local.gemini.edits import Picture

Json = dict[str, Any]
PICTURE_MODELS = frozenset({"gemini-nano-banana-2.1", "gemini-3.1-flash-lite-image", "gemini-3-pro-image"})
TEXT_MODELS = frozenset({"gemini-3.8-flash", "gemini-3.5-flash-lite"})

_STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TOKENS_OF_A_PICTURE_IN = 258
_TOKENS_OF_A_PICTURE_OUT = 1290


class RefusedError(Exception):
    """A request that the service would refuse, with the error body to answer."""

    def __init__(self, code: int, message: str, details: list[Json] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.body = error_body(code, message, details)


@dataclass(frozen=True)
class Ask:
    """One generateContent request. `schema` is None where no structured output is asked for."""

    model: str
    prompt: str
    photo: bytes | None
    wants_picture: bool
    wants_json: bool
    schema: Json | None

    @property
    def photo_sha256(self) -> str | None:
        return None if self.photo is None else hashlib.sha256(self.photo).hexdigest()


def pick(values: Mapping[str, Any], name: str) -> Any:
    """The value of the camelCase key `name` in either spelling, or None."""
    if name in values:
        return values[name]
    return values.get("".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name))


def read_ask(model: str, body: bytes) -> Ask:
    """Raises RefusedError (400) for a body that is no such request."""
    try:
        request = orjson.loads(body)
        parts = [part for content in request["contents"] for part in content.get("parts", ())]
        texts = [part["text"] for part in parts if "text" in part]
        blobs = [blob for part in parts if (blob := pick(part, "inlineData")) is not None]
        config = pick(request, "generationConfig") or {}
        modalities = pick(config, "responseModalities")
        schema = pick(config, "responseJsonSchema") or pick(config, "responseSchema")
        return Ask(
            model=model,
            prompt="\n".join(texts),
            photo=_decode(blobs[0]["data"]) if blobs else None,
            wants_picture=model in PICTURE_MODELS if modalities is None else "IMAGE" in modalities,
            wants_json=pick(config, "responseMimeType") == "application/json",
            schema=schema,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RefusedError(400, "Invalid JSON payload received.") from error


def _decode(data: str) -> bytes:
    try:
        return base64.b64decode(data.translate({ord("-"): "+", ord("_"): "/"}), validate=True)
    except binascii.Error as error:
        raise RefusedError(400, "Invalid value at 'contents': Base64 decoding failed.") from error


def picture_part(picture: Picture) -> Json:
    """The part of an answer that holds a picture."""
    data = base64.b64encode(picture.data).decode()
    signature = base64.b64encode(hashlib.sha256(picture.data).digest()).decode()
    return {"inlineData": {"mimeType": picture.mime_type, "data": data}, "thoughtSignature": signature}


def answer(ask: Ask, parts: list[Json], finish_reason: str = "STOP") -> Json:
    """A whole answer with one candidate that holds `parts`."""
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "finishReason": finish_reason, "index": 0}
    return {"candidates": [candidate], **about(ask, parts)}


def about(ask: Ask, parts: list[Json] | None = None) -> Json:
    """What every answer says besides its candidates: tokens, model and an id."""
    text_in = max(1, len(ask.prompt) // 4)
    picture_in = _TOKENS_OF_A_PICTURE_IN if ask.photo is not None else 0
    usage: Json = {
        "promptTokenCount": text_in + picture_in,
        "totalTokenCount": text_in + picture_in,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": text_in}],
    }
    if picture_in:
        usage["promptTokensDetails"].append({"modality": "IMAGE", "tokenCount": picture_in})
    if parts:
        pictures = sum(_TOKENS_OF_A_PICTURE_OUT for part in parts if "inlineData" in part)
        words = sum(max(1, len(part["text"]) // 4) for part in parts if "text" in part)
        usage["candidatesTokenCount"] = pictures + words
        usage["totalTokenCount"] += pictures + words
        usage["candidatesTokensDetails"] = [
            {"modality": kind, "tokenCount": count} for kind, count in (("IMAGE", pictures), ("TEXT", words)) if count
        ]
    return {"usageMetadata": usage, "modelVersion": ask.model, "responseId": secrets.token_urlsafe(16)}


def error_body(code: int, message: str, details: list[Json] | None = None) -> Json:
    """The error envelope of Google's services."""
    error: Json = {"code": code, "message": message, "status": _STATUS_NAMES.get(code, "UNKNOWN")}
    if details:
        error["details"] = details
    return {"error": error}


def invalid_key() -> RefusedError:
    """The refusal of a request without a valid API key."""
    message = "API key not valid. Please pass a valid API key."
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }
    localized = {"@type": "type.googleapis.com/google.rpc.LocalizedMessage", "locale": "en-US", "message": message}
    return RefusedError(400, message, [info, localized])


def dump(body: Any) -> bytes:
    """JSON, indented like the real service's."""
    return orjson.dumps(body, option=orjson.OPT_INDENT_2)

"""Answers as JSON, straight from the models: what is documented is what is sent."""

from collections.abc import Mapping

from starlette.responses import Response

from schemas.http import AnswerBody


def json_response(body: AnswerBody, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The body as JSON. What is a user's own must not be kept by caches in between."""
    return Response(
        body.__pydantic_serializer__.to_json(body, by_alias=True),
        status_code=status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type="application/json",
    )

"""Structured output: an object valid for the schema that the request carries, whatever the schema."""

from typing import Annotated, Any, Literal

import pytest
from google import genai
from google.genai import types
from pydantic import BaseModel, Field, TypeAdapter

from deploy.local.portrait import jpeg, portrait
from tests.contract.gemini.conftest import TEXT_MODEL, Connect, StandIn

Score = Annotated[float, Field(ge=0, le=100)]


class Face(BaseModel):
    faceShape: str  # noqa: N815
    eyeShape: Literal["almond", "round"]  # noqa: N815
    perceivedAge: Annotated[int, Field(ge=0, le=120)]  # noqa: N815
    symmetryScore: Score  # noqa: N815


class Nested(BaseModel):
    faces: Annotated[list[Face], Field(min_length=2, max_length=3)]
    remark: str | None
    certain: bool
    few: Annotated[int, Field(ge=4, le=4)]
    low: Annotated[float, Field(ge=-2.5, le=-1.5)]
    code: Annotated[str, Field(min_length=30, max_length=40)]


class Exclusive(BaseModel):
    """Bounds that only JSON Schema can express."""

    few: Annotated[int, Field(gt=3, lt=5)]
    tens: Annotated[int, Field(ge=5, le=15, multiple_of=10)]
    share: Annotated[float, Field(gt=0, lt=1)]
    either: Nested | Literal["nothing"]


async def ask(client: genai.Client, photo: bytes, **schema: Any) -> types.GenerateContentResponse:
    question = "Analyse the face in this portrait."
    contents: list[types.PartUnionDict] = [types.Part.from_bytes(data=photo, mime_type="image/jpeg"), question]
    return await client.aio.models.generate_content(
        model=TEXT_MODEL,
        contents=contents,
        config=types.GenerateContentConfig(response_mime_type="application/json", **schema),
    )


@pytest.mark.parametrize("model", [Face, Nested])
async def test_a_response_schema_is_filled_and_parsed(connect: Connect, photo: bytes, model: type[BaseModel]) -> None:
    response = await ask(connect(), photo, response_schema=model)
    assert isinstance(response.parsed, model)


@pytest.mark.parametrize("model", [Face, Nested, Exclusive])
async def test_a_json_schema_is_filled(connect: Connect, photo: bytes, model: type[BaseModel]) -> None:
    response = await ask(connect(), photo, response_json_schema=model.model_json_schema())
    TypeAdapter(model).validate_python(response.parsed)


async def test_the_values_depend_on_the_photo_and_on_nothing_else(
    connect: Connect, gemini: StandIn, photo: bytes
) -> None:
    client = connect()
    first = await ask(client, photo, response_schema=Face)
    again = await ask(client, photo, response_schema=Face)
    other = await ask(client, jpeg(portrait(64, 64, seed=2)), response_schema=Face)
    assert first.parsed == again.parsed != other.parsed
    assert [(call["tool"], call["outcome"]) for call in await gemini.calls()] == [("analysis", "json")] * 3


async def test_structured_output_that_was_cut_off_parses_to_none(
    connect: Connect, gemini: StandIn, photo: bytes
) -> None:
    await gemini.script({"kind": "cut_text"})
    response = await ask(connect(), photo, response_schema=Face)
    assert response.parsed is None
    assert response.candidates is not None
    assert response.candidates[0].finish_reason is types.FinishReason.MAX_TOKENS


async def test_words_instead_of_json_parse_to_none(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    await gemini.script({"kind": "text_only"})
    response = await ask(connect(), photo, response_schema=Face)
    assert response.parsed is None
    assert response.text

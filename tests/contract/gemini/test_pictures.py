"""What a healthy Gemini does with pictures, seen through the genuine client."""

import base64
import hashlib
import io
import itertools

import orjson
import pytest
from google import genai
from google.genai import errors, types
from PIL import Image, ImageChops, ImageStat

from deploy.local.portrait import jpeg, png, portrait
from tests.contract.gemini.conftest import PICTURE_MODEL, TEXT_MODEL, Connect, StandIn, edit, pictures
from worker.prompts import picture_prompt

REQUESTS: list[tuple[str, dict[str, object], str | None]] = [
    ("hairstyle", {"style": "female-short-1"}, "Chic Bob"),
    ("hairstyle", {"style": "female-short-1", "color": "f44336"}, "Chic Bob"),
    ("hairstyle", {"style": "female-curly-2"}, "Afro"),
    ("hair-color", {"color": "e91e63"}, None),
    ("hair-color", {"color": "3f51b5"}, None),
    ("eye-color", {"eyeColor": "4caf50"}, None),
    ("eye-color", {"eyeColor": "9c27b0"}, None),
    ("skin-color", {"skinTone": "Ivory"}, None),
    ("skin-color", {"skinTone": "Espresso"}, None),
    ("beard", {"beardStyle": "Clean Shaven"}, None),
    ("beard", {"beardStyle": "Stubble"}, None),
    ("beard", {"beardStyle": "Goatee"}, None),
    ("age", {"age": 10}, None),
    ("age", {"age": 90}, None),
    ("smile", {"intensity": 0}, None),
    ("smile", {"intensity": 100}, None),
    ("fat", {"intensity": 20}, None),
    ("fat", {"intensity": 100}, None),
    ("bald", {"intensity": 30}, None),
    ("bald", {"intensity": 100}, None),
    ("halloween", {"halloweenStyle": "face only"}, None),
    ("halloween", {"halloweenStyle": "whole figure"}, None),
    ("halloween", {"halloweenStyle": "add objects"}, None),
]


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


async def test_an_edit_comes_back_as_a_picture_of_the_same_size_with_usage_and_ids(
    connect: Connect, gemini: StandIn, photo: bytes
) -> None:
    response = await edit(connect(), photo)

    (picture,) = pictures(response)
    assert decoded(picture).size == (300, 400)
    assert decoded(picture).format == "JPEG"
    assert response.candidates is not None
    assert response.candidates[0].finish_reason is types.FinishReason.STOP
    assert response.usage_metadata is not None
    assert response.usage_metadata.candidates_token_count == 1290
    assert response.model_version == PICTURE_MODEL
    assert response.response_id
    (call,) = await gemini.calls()
    assert (call["model"], call["tool"], call["value"]) == (PICTURE_MODEL, "hair-color", "#e91e63")
    assert call["photo_sha256"] == hashlib.sha256(photo).hexdigest()
    assert call["outcome"] == "picture"


@pytest.mark.parametrize("transport", ["aiohttp"])
async def test_each_tool_and_each_value_gives_a_picture_of_its_own(
    connect: Connect, gemini: StandIn, photo: bytes
) -> None:
    client = connect()
    seen: list[Image.Image] = [decoded(photo).convert("RGB")]
    for tool, parameters, style_name in REQUESTS:
        (picture,) = pictures(await edit(client, photo, picture_prompt(tool, parameters, style_name)))
        seen.append(decoded(picture).convert("RGB").crop((0, 0, 300, 370)))  # without the caption
    seen[0] = seen[0].crop((0, 0, 300, 370))

    assert [call["tool"] for call in await gemini.calls()] == [tool for tool, _, _ in REQUESTS]
    for one, other in itertools.combinations(seen, 2):
        differing = ImageChops.difference(one, other).convert("L").point(lambda value: 255 if value > 16 else 0)
        assert ImageStat.Stat(differing).sum[0] / 255 > 100


async def test_the_same_request_gives_the_same_picture(connect: Connect, photo: bytes) -> None:
    client = connect()
    assert pictures(await edit(client, photo)) == pictures(await edit(client, photo))


async def test_a_png_comes_back_as_a_png(connect: Connect) -> None:
    (picture,) = pictures(await edit(connect(), png(portrait(240, 200, seed=3))))
    assert (decoded(picture).format, decoded(picture).size) == ("PNG", (240, 200))


async def test_a_photo_taken_sideways_comes_back_upright(connect: Connect) -> None:
    sideways = jpeg(portrait(300, 400).transpose(Image.Transpose.ROTATE_90), orientation=6, gps=True)
    (picture,) = pictures(await edit(connect(), sideways))
    assert decoded(picture).size == (300, 400)
    assert not decoded(picture).getexif()


@pytest.mark.parametrize("transport", ["aiohttp"])
async def test_a_photo_of_12_megapixels_comes_back_whole(connect: Connect) -> None:
    large = jpeg(portrait(600, 800).resize((3000, 4000)))
    (picture,) = pictures(await edit(connect(), large))
    assert decoded(picture).size == (3000, 4000)


async def test_a_stream_brings_the_picture_too(connect: Connect, photo: bytes) -> None:
    contents: list[types.PartUnionDict] = [types.Part.from_bytes(data=photo, mime_type="image/jpeg"), "make him bald"]
    stream = await connect().aio.models.generate_content_stream(model=PICTURE_MODEL, contents=contents)
    found = [picture async for chunk in stream for picture in pictures(chunk)]
    assert [decoded(picture).size for picture in found] == [(300, 400)]


async def test_both_spellings_of_keys_and_both_base64_alphabets_are_read(gemini: StandIn) -> None:
    photo = png(portrait(64, 64))
    assert base64.urlsafe_b64encode(photo) != base64.b64encode(photo)
    for data, key, mime, config in (
        (base64.urlsafe_b64encode(photo), "inlineData", "mimeType", "generationConfig"),
        (base64.b64encode(photo), "inline_data", "mime_type", "generation_config"),
    ):
        body = {
            "contents": [{"parts": [{key: {"data": data.decode(), mime: "image/png"}}, {"text": "smile 80%"}]}],
            config: {"responseModalities" if config == "generationConfig" else "response_modalities": ["IMAGE"]},
        }
        answer = await gemini.http.post(
            f"/v1beta/models/{PICTURE_MODEL}:generateContent",
            content=orjson.dumps(body),
            headers={"x-goog-api-key": "k"},
        )
        assert answer.status_code == 200
    assert {call["photo_sha256"] for call in await gemini.calls()} == {hashlib.sha256(photo).hexdigest()}


async def test_a_key_that_is_not_valid_is_refused_as_google_does(connect: Connect, photo: bytes) -> None:
    with pytest.raises(errors.ClientError) as refused:
        await edit(connect(key="invalid"), photo)
    assert refused.value.code == 400
    details = refused.value.details["error"]["details"]
    assert details[0]["reason"] == "API_KEY_INVALID"


async def test_an_unknown_model_is_not_found(connect: Connect) -> None:
    with pytest.raises(errors.ClientError) as refused:
        await connect().aio.models.generate_content(model="gemini-0-nothing", contents="hello")
    assert (refused.value.code, refused.value.status) == (404, "NOT_FOUND")


async def test_a_text_model_makes_no_pictures(connect: Connect, photo: bytes) -> None:
    with pytest.raises(errors.ClientError) as refused:
        await connect().aio.models.generate_content(
            model=TEXT_MODEL, contents="x", config=types.GenerateContentConfig(response_modalities=["IMAGE"])
        )
    assert refused.value.code == 400


async def test_bytes_that_are_no_picture_are_refused(connect: Connect, gemini: StandIn) -> None:
    with pytest.raises(errors.ClientError) as refused:
        await edit(connect(), b"\xff\xd8\xff\xe0 no picture at all")
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")
    (call,) = await gemini.calls()
    assert call["outcome"] == "refused"


async def test_a_prefix_in_the_base_address_is_kept(connect: Connect, gemini: StandIn, photo: bytes) -> None:
    client: genai.Client = connect(url=f"{gemini.url}/some/prefix/")
    assert len(pictures(await edit(client, photo))) == 1

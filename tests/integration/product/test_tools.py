"""Every tool, from the request to the picture or the analysis."""

from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image, ImageChops

from deploy.local.portrait import jpeg, portrait
from schemas.analysis import AnalysisResult
from tests.support.accounts import Accounts
from tests.support.customers import Customer

PORTRAIT = jpeg(portrait(384, 512))
TOOLS: dict[str, dict[str, Any]] = {
    "hairstyle": {"style": "male-short-1", "color": "e91e63"},
    "hair-color": {"color": "3f51b5"},
    "eye-color": {"eyeColor": "4caf50"},
    "skin-color": {"skinTone": "Espresso"},
    "beard": {"beardStyle": "Goatee"},
    "age": {"age": 80},
    "smile": {"intensity": 90},
    "fat": {"intensity": 80},
    "bald": {"intensity": 100},
    "halloween": {"halloweenStyle": "add objects"},
}


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_picture_tool_gives_a_visibly_changed_picture(
    customer: Customer, accounts: Accounts, tool: str
) -> None:
    path = await customer.upload(content=PORTRAIT)
    generation = await customer.finished(path, tool, TOOLS[tool])
    assert (generation["status"], generation["error"]) == ("succeeded", None)
    async with httpx.AsyncClient(trust_env=False) as anybody:
        answer = (await anybody.get(generation["imageUrl"])).raise_for_status()
    before = Image.open(BytesIO(PORTRAIT)).convert("RGB")
    after = Image.open(BytesIO(answer.content)).convert("RGB")
    assert after.size == before.size
    assert ImageChops.difference(before, after).crop((0, 0, 384, 440)).getbbox() is not None
    assert await accounts.balance(customer.id) == 9


async def test_every_picture_tool_on_offer_is_tried_here(accounts: Accounts) -> None:
    rows = await accounts.database.fetch("select id from public.tools where type <> 'ANALYSIS' and is_active")
    assert {row["id"] for row in rows} == set(TOOLS)


async def test_an_analysis_is_complete_charged_and_kept_for_history(customer: Customer, accounts: Accounts) -> None:
    answer = await customer.analyse(await customer.upload(), wait=True)
    body = answer.json()
    assert body["status"] == "succeeded"
    AnalysisResult.model_validate(body["result"])
    kept = (await customer.intake.get(f"/v1/generations/{body['id']}")).json()
    assert kept["result"] == body["result"]
    assert await accounts.balance(customer.id) == 9
    assert await accounts.violations() == []

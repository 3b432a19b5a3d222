"""`GET /webhooks/paymob`: the browser is shown how it went, and nothing is fulfilled, whatever its query says."""

import httpx
import pytest

from deploy.local.paymob.page import way_back
from deploy.local.stack import Stack
from tests.integration.producers.conftest import Intake, Running
from tests.integration.producers.paymob.conftest import settings
from tests.support.accounts import Accounts
from tests.support.paymob import transaction


async def back(shop: Intake, **changes: object) -> httpx.Response:
    """Come back from the checkout page."""
    return await shop.client.get(way_back("/webhooks/paymob", transaction(**changes)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "went through"),
        ({"success": False}, "did not go through"),
        ({"success": False, "pending": True}, "not finished yet"),
    ],
)
async def test_the_page_says_how_it_went_and_nothing_is_written(
    shop: Intake, accounts: Accounts, changes: dict[str, bool], said: str
) -> None:
    before = await accounts.contents()
    answer = await back(shop, **changes)
    assert answer.status_code == 200
    assert said in answer.text
    assert await accounts.contents() == before


async def test_a_query_that_was_changed_is_not_believed(shop: Intake, accounts: Accounts) -> None:
    before = await accounts.contents()
    url = way_back("/webhooks/paymob", transaction(success=False)).replace("success=false", "success=true")
    for path in (url, "/webhooks/paymob", "/webhooks/paymob?success=true&hmac=0", f"{url}&hmac=1"):
        answer = await shop.client.get(path)
        assert answer.status_code == 200
        assert "went through" not in answer.text
    assert await accounts.contents() == before


async def test_nothing_of_the_query_is_on_the_page(shop: Intake) -> None:
    answer = await shop.client.get("/webhooks/paymob", params={"success": "<script>alert(1)</script>", "hmac": "<b>"})
    assert "<script>" not in answer.text
    assert "<b>" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_the_app_has_a_page_of_its_own(running: Running, stack: Stack) -> None:
    async with running(**settings(stack, paymob_result_url="https://app.example/paid?lang=ar")) as shop:
        answer = await back(shop)
        assert answer.status_code == 303
        assert answer.headers["location"] == (
            "https://app.example/paid?lang=ar&outcome=paid&orderId=b1d7f6fe-3d2d-4c8e-9f0a-0d7b0a7e1c11"
        )
        answer = await shop.client.get("/webhooks/paymob?merchant_order_id=https://evil.example&success=true")
        assert answer.headers["location"] == "https://app.example/paid?lang=ar&outcome=unknown"

"""Buying a credit pack as a client does it: order, the checkout page's form in a browser, the balance by Realtime."""

import re
from html import unescape
from typing import Any
from urllib.parse import urljoin

import httpx

from deploy.demo.listener import Listener
from deploy.demo.steps import Steps

BALANCE_SECONDS = 30.0
CREDIT_PACK = 1


async def buy_credits(intake: httpx.AsyncClient, steps: Steps, listener: Listener, balance: int) -> dict[str, Any]:
    """Buy the smallest pack; `balance` is that of before. Answers `purchase` of `demo.json`."""
    async with steps.step("checkout", "Order a pack of credits") as step:
        answer = await intake.post("/v1/checkout", json={"creditPackId": CREDIT_PACK})
        if answer.status_code != 201:
            raise RuntimeError(f"/v1/checkout answered {answer.status_code}: {answer.text}")
        order_id, checkout_url = answer.json()["orderId"], answer.json()["checkoutUrl"]
        bought = (await intake.get(f"/v1/orders/{order_id}")).raise_for_status().json()["credits"]
        step.note = f"{bought} credits"
    async with steps.step("pay", "Pay on the checkout page") as step:
        step.note = await _pay(checkout_url)
    async with steps.step("credits", "Hear the bought credits on Realtime") as step:
        await listener.balance_is(balance + bought, BALANCE_SECONDS)
        step.note = f"{balance} → {listener.balance} credits"
    order = (await intake.get(f"/v1/orders/{order_id}")).raise_for_status().json()
    if order["status"] != "paid":
        raise RuntimeError(f"the credits are there, and the order is {order['status']}")
    return {"credits": {"before": balance, "after": listener.balance}}


async def _pay(checkout_url: str) -> str:
    """Send the page's form and follow it back; answers what the page at the end says."""
    async with httpx.AsyncClient(timeout=30, trust_env=False, follow_redirects=True) as browser:
        page = (await browser.get(checkout_url)).raise_for_status()
        action = re.search(r'<form method="post" action="([^"]+)"', page.text)
        if action is None:
            raise RuntimeError("the checkout page has no form")
        fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
        form = {name: unescape(value) for name, value in fields} | {"choice": "pay"}
        end = (await browser.post(urljoin(str(page.url), action[1]), data=form)).raise_for_status()
    shown = re.search(r"<p>([^:.<]+)", end.text)
    return shown[1].lower() if shown else ""

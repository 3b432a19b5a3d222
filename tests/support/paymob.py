"""The Paymob stand-in as a test uses it: a browser on its checkout page, and its local switches."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from deploy.local.paymob.merchant import CARD, HMAC_SECRET
from schemas.paymob.signature import sign, transaction_text

Json = dict[str, Any]


@dataclass(frozen=True)
class LocalPaymob:
    """The running stand-in. `http` follows no redirect, so that a test sees each."""

    http: httpx.AsyncClient

    async def behave(self, *rules: Json) -> None:
        """Misbehave by these rules."""
        (await self.http.post("/local/script", json=list(rules))).raise_for_status()

    async def pay(self, checkout_url: str, choice: str = "pay", integration: int = CARD, **form: str) -> httpx.Response:
        """Open the page and send its form, as a browser does; the answer is the redirect back to the merchant."""
        page = await self.http.get(checkout_url)
        assert page.status_code == 200, page.text
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text)
        action = re.search(r'<form method="post" action="([^"]+)">', page.text)
        assert action is not None, page.text
        return await self.http.post(
            str(page.url.join(action[1])),
            data={**dict(hidden), "choice": choice, "integration": str(integration), **form},
        )

    async def callbacks(self) -> list[Json]:
        """What was sent since the last time the list was cleared."""
        return list((await self.http.get("/local/callbacks")).raise_for_status().json())

    async def answered(self) -> bool:
        """Whether every callback that was sent has been answered."""
        return all(sent["status"] is not None for sent in await self.callbacks())

    async def finish(self, transaction_id: int, *, success: bool = True) -> None:
        """End a pending payment."""
        (
            await self.http.post(f"/local/transactions/{transaction_id}/finish", json={"success": success})
        ).raise_for_status()

    async def reset(self) -> None:
        """Behave again, and forget what was sent."""
        await self.http.delete("/local/script")
        await self.http.delete("/local/callbacks")


@asynccontextmanager
async def local_paymob(url: str) -> AsyncIterator[LocalPaymob]:
    """The stand-in at this address, well-behaved before and after."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        paymob = LocalPaymob(http)
        await paymob.reset()
        yield paymob
        await paymob.reset()


def transaction(**changes: Any) -> Json:
    """An `obj` as Paymob sends it: a card paid 100.00 EGP; what is named is otherwise."""
    return {
        "id": 192_036_465,
        "pending": False,
        "amount_cents": 10_000,
        "success": True,
        "is_auth": False,
        "is_capture": False,
        "is_standalone_payment": True,
        "is_voided": False,
        "is_refunded": False,
        "is_3d_secure": True,
        "integration_id": CARD,
        "profile_id": 160_001,
        "has_parent_transaction": False,
        "order": {
            "id": 217_503_754,
            "created_at": "2026-11-20T12:00:00",
            "merchant": {"id": 160_001},
            "amount_cents": 10_000,
            "currency": "EGP",
            "merchant_order_id": "b1d7f6fe-3d2d-4c8e-9f0a-0d7b0a7e1c11",
            "paid_amount_cents": 10_000,
            "items": [],
        },
        "created_at": "2026-11-20T12:00:30.123456",
        "currency": "EGP",
        "source_data": {"type": "card", "pan": "2346", "sub_type": "MasterCard"},
        "data": {"message": "Approved", "txn_response_code": "APPROVED"},
        "is_void": False,
        "is_refund": False,
        "payment_key_claims": None,
        "error_occured": False,
        "is_live": True,
        "refunded_amount_cents": 0,
        "is_captured": False,
        "captured_amount": 0,
        "owner": 302_852,
        "parent_transaction": None,
        "updated_at": "2026-11-20T12:00:31.000000",
        **changes,
    }


def digest(obj: Mapping[str, Any], secret: str = HMAC_SECRET) -> str:
    """The signature that Paymob would send with this transaction."""
    return sign(secret, transaction_text(obj))


async def copies_at_once(webhook: str, obj: Json, copies: int) -> list[tuple[int, float]]:
    """Post a signed transaction so often at once, each on a connection of its own; answers statuses and seconds.

    Straight onto the wire, so that the seconds are the server's and not those of a client at its limits.
    """
    url, body = httpx.URL(webhook), orjson.dumps({"type": "TRANSACTION", "obj": obj})
    head = (
        f"POST {url.path}?hmac={digest(obj)} HTTP/1.1\r\nHost: {url.host}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    async def post() -> tuple[int, float]:
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        return int(answer[9:12]), time.perf_counter() - began

    return await asyncio.gather(*(post() for _ in range(copies)))

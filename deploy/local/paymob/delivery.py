"""Sending callbacks: signed as Paymob signs them, once each and never again, unless a rule says otherwise."""

import asyncio
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import httpx
import orjson

from deploy.local.paymob.books import Json
from deploy.local.paymob.merchant import HMAC_SECRET
from deploy.local.paymob.script import Delayed, Duplicated, Script
from schemas.paymob.signature import sign, subscription_text, token_text, transaction_text

CALL_SECONDS: Final = 15.0
_KEPT: Final = 10_000


@dataclass
class Sent:
    """One callback on its way: `status` is None until it is answered, and stays so when nobody answers."""

    url: str
    hmac: str | None
    body: Json
    status: int | None = None
    ms: float | None = None
    at: float = field(default_factory=time.time)


class Delivery:
    """Sends in the background; `close` gives up what is still waiting."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._http = httpx.AsyncClient(timeout=CALL_SECONDS, trust_env=False, limits=httpx.Limits(max_connections=200))
        self._running: set[asyncio.Task[None]] = set()
        self._kept_back: list[tuple[str, Json, str | None]] = []
        self.sent: deque[Sent] = deque(maxlen=_KEPT)

    def listing(self) -> list[dict[str, Any]]:
        return [asdict(sent) for sent in self.sent]

    def transaction(self, url: str, obj: Json) -> None:
        """Tell of a transaction as it is now."""
        self._send(url, "TRANSACTION", orjson.loads(orjson.dumps({"type": "TRANSACTION", "obj": obj})))

    def token(self, url: str, obj: Json) -> None:
        """Tell of a card that was saved."""
        self._send(url, "TOKEN", {"type": "TOKEN", "obj": obj})

    def subscription(self, url: str, body: Json) -> None:
        """Tell of a subscription; its digest is in the body."""
        text = subscription_text(body["trigger_type"], body["subscription_data"]["id"])
        self._send(url, "SUBSCRIPTION", {**body, "hmac": sign(HMAC_SECRET, text)})

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._http.aclose()

    def _send(self, url: str, kind: str, body: Json) -> None:
        rules = self._script.of_callback(kind)
        kinds = {rule.kind for rule in rules}
        if "test_mode" in kinds and "obj" in body:
            body["obj"]["is_live"] = False
        digest = _digest(kind, body)
        if "forged" in kinds and kind == "TRANSACTION":
            body["obj"]["amount_cents"] += 1
        if "corrupted" in kinds:
            digest, body = _corrupted(digest, body)
        copies = max((rule.copies for rule in rules if isinstance(rule, Duplicated)), default=1)
        wait = sum(rule.seconds for rule in rules if isinstance(rule, Delayed))
        if "lost" in kinds:
            return
        if "reordered" in kinds:
            self._kept_back.append((url, body, digest))
            return
        after, self._kept_back = self._kept_back, []
        self._start(wait, [(url, body, digest)] * copies, after)

    def _start(
        self, wait: float, first: list[tuple[str, Json, str | None]], after: list[tuple[str, Json, str | None]]
    ) -> None:
        async def deliver() -> None:
            await asyncio.sleep(wait)
            await asyncio.gather(*(self._post(*one) for one in first))
            await asyncio.gather(*(self._post(*one) for one in after))

        task = asyncio.create_task(deliver())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _post(self, url: str, body: Json, digest: str | None) -> None:
        sent = Sent(url, digest, body)
        self.sent.append(sent)
        began = time.perf_counter()
        try:
            answer = await self._http.post(url, params={} if digest is None else {"hmac": digest}, json=body)
        except httpx.HTTPError:
            return
        sent.status, sent.ms = answer.status_code, round((time.perf_counter() - began) * 1000, 1)


def _digest(kind: str, body: Json) -> str | None:
    if kind == "TRANSACTION":
        return sign(HMAC_SECRET, transaction_text(body["obj"]))
    return sign(HMAC_SECRET, token_text(body["obj"])) if kind == "TOKEN" else None


def _corrupted(digest: str | None, body: Json) -> tuple[str | None, Json]:
    if digest is None:
        return None, {**body, "hmac": _off_by_one(body["hmac"])}
    return _off_by_one(digest), body


def _off_by_one(digest: str) -> str:
    return f"{digest[:-1]}{'0' if digest[-1] != '0' else '1'}"

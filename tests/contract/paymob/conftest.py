"""The Paymob stand-in as a process of its own, our client against it, and somebody who listens for its callbacks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.local.paymob import merchant
from deploy.local.stack import Stack
from schemas.paymob.client import Billing, Intention, Paymob, Purchase, open_http
from schemas.settings import Settings
from tests.support.paymob import Json, LocalPaymob, local_paymob
from tests.support.stack import temporary_stack
from tests.support.waiting import eventually

REDIRECTION = "http://shop.example/back"


@dataclass
class Listener:
    """Where callbacks are posted: keeps each body with its `hmac`."""

    url: str = ""
    heard: list[tuple[bytes, str | None]] = field(default_factory=list)

    async def hear(self, request: Request) -> Response:
        self.heard.append((await request.body(), request.query_params.get("hmac")))
        return Response()

    async def count(self, number: int) -> list[tuple[bytes, str | None]]:
        """Wait until so many have come; answers them in the order they came."""

        async def enough() -> bool:
            return len(self.heard) >= number

        await eventually(enough)
        return self.heard


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack("paymob") as stack:
        yield stack


@pytest.fixture
async def paymob(stack: Stack) -> AsyncIterator[LocalPaymob]:
    async with local_paymob(stack.url_of("paymob")) as paymob:
        yield paymob


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    app = Starlette(routes=[Route("/callbacks", listener.hear, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    listener.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/callbacks"
    yield listener
    server.should_exit = True
    await serving


def settings(stack: Stack, **changes: Any) -> Settings:
    found = {name.lower(): value for name, value in merchant.environment(stack.url_of("paymob"), "http://x").items()}
    unused = dict.fromkeys(("database_url", "redis_url", "supabase_url", "supabase_secret_key"), "unused")
    values: Json = {**unused, **found, "paymob_timeout_seconds": 20, **changes}
    return Settings(_env_file=None, **values)


@pytest.fixture
async def client(stack: Stack, listener: Listener, paymob: LocalPaymob) -> AsyncIterator[Paymob]:
    ours = settings(stack, paymob_notification_url=listener.url, paymob_redirection_url=REDIRECTION)
    async with open_http(ours) as http:
        yield Paymob(ours, http)


def purchase(reference: str, **changes: Any) -> Purchase:
    values: Json = {"item": "50 credits", "amount_piastres": 29_900, "currency": "EGP", "billing": Billing(),
                    "expires_in_seconds": 600, **changes}  # fmt: skip
    return Purchase(reference, **values)


async def paid(client: Paymob, paymob: LocalPaymob, reference: str, **how: Any) -> tuple[Intention, Json]:
    """An intention that a buyer has paid, and what Paymob says of it."""
    made = await client.create_intention(purchase(reference))
    answer = await paymob.pay(made.checkout_url, **how)
    assert answer.status_code == 303, answer.text
    assert str(httpx.URL(answer.headers["location"]).copy_with(query=None)) == REDIRECTION
    obj = await client.inquire_order(made.order_id)
    assert obj is not None
    return made, obj

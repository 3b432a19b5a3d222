"""The stand-in's HTTP side: Paymob's API, the checkout page, and the local switches of tests.

`/local/script` takes rules (see script.py), `/local/callbacks` lists what was sent, `/local/transactions/{id}/finish`
ends a pending payment, `/local/subscriptions` sends a subscription's callback, `/health` says it is up.
"""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar
from urllib.parse import parse_qs

import orjson
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from deploy.local.paymob.books import Books, Choice, Impossible, Intention, Json
from deploy.local.paymob.delivery import Delivery
from deploy.local.paymob.merchant import API_KEY, CARD, INTEGRATIONS, PROFILE, PUBLIC_KEY, SECRET_KEY
from deploy.local.paymob.page import checkout_page, message_page, way_back
from deploy.local.paymob.script import AnswerLost, Payments, Script, Slow, Status
from deploy.local.paymob.wire import (
    AmountRequest,
    InquiryRequest,
    IntentionRequest,
    SubscriptionRequest,
    TokenRequest,
    VoidRequest,
)

TOKEN_SECONDS: Final = 3600.0

Endpoint = Callable[[Request], Awaitable[Response]]
Asked = TypeVar("Asked", bound=BaseModel)


class RefusedError(Exception):
    """The request is answered with this status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class StandIn:
    """One process's state. `dashboard` is where callbacks and browsers go when an intention does not say."""

    def __init__(self, dashboard: str) -> None:
        self._dashboard = dashboard
        self._books = Books()
        self._script = Script()
        self._delivery = Delivery(self._script)
        self._tokens: dict[str, float] = {}

    def app(self) -> Starlette:
        def call(path: str, name: str, method: str, endpoint: Endpoint) -> Route:
            return Route(path, self._scripted(name, endpoint), methods=[method])

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            yield
            await self._delivery.close()

        reversal = "/api/acceptance/void_refund"
        return Starlette(
            routes=[
                Route("/health", _health),
                call("/v1/intention/", "intention", "POST", self.intention),
                call("/api/auth/tokens", "auth_token", "POST", self.auth_token),
                call("/api/acceptance/transactions/{id:int}", "inquire_transaction", "GET", self.transaction),
                call("/api/ecommerce/orders/transaction_inquiry", "inquire_order", "POST", self.inquiry),
                call(f"{reversal}/refund", "refund", "POST", self.refund),
                call(f"{reversal}/void", "void", "POST", self.void),
                call("/api/acceptance/capture", "capture", "POST", self.capture),
                Route("/unifiedcheckout/", self.checkout),
                Route("/unifiedcheckout/pay", self.pay, methods=["POST"]),
                Route("/local/script", self.script, methods=["POST", "DELETE"]),
                Route("/local/callbacks", self.callbacks, methods=["GET", "DELETE"]),
                Route("/local/transactions/{id:int}/finish", self.finish, methods=["POST"]),
                Route("/local/subscriptions", self.subscription, methods=["POST"]),
            ],
            exception_handlers={RefusedError: _refused, ValidationError: _invalid, Impossible: _impossible},
            lifespan=lifespan,
        )

    async def intention(self, request: Request) -> Response:
        self._with_secret_key(request)
        made = self._books.intend((await _read(request, IntentionRequest)).model_dump())
        found = {"id": f"pi_local_{made.order_id}", "client_secret": made.client_secret}
        return _json({**found, "intention_order_id": made.order_id, "status": "intended", "confirmed": False}, 201)

    async def checkout(self, request: Request) -> Response:
        made = self._books.intention(request.query_params.get("clientSecret", ""))
        if made is None or request.query_params.get("publicKey") != PUBLIC_KEY:
            return HTMLResponse(message_page("There is nothing to pay here."), 404)
        return HTMLResponse(checkout_page(made))

    async def pay(self, request: Request) -> Response:
        """What the form of the page sends."""
        form = {key: values[-1] for key, values in parse_qs((await request.body()).decode()).items()}
        made = self._books.intention(form.get("clientSecret", ""))
        if made is None:
            return HTMLResponse(message_page("There is nothing to pay here."), 404)
        integration = int(form.get("integration", CARD))
        choice = _choice(form.get("choice", "pay"), self._script.of_payment(INTEGRATIONS.get(integration, "")))
        try:
            obj = self._books.pay(made, integration, choice)
        except Impossible as error:
            return HTMLResponse(message_page(str(error)), 409)
        self._tell(obj, made)
        if form.get("saveCard"):
            self._delivery.token(self._notified(made), _card(obj, made))
        back = made.asked["redirection_url"] or self._dashboard
        return RedirectResponse(way_back(back, obj), 303)

    async def auth_token(self, request: Request) -> Response:
        if (await _read(request, TokenRequest)).api_key != API_KEY:
            raise RefusedError(401, "incorrect credentials")
        token = secrets.token_urlsafe(48)
        self._tokens[token] = time.monotonic() + TOKEN_SECONDS
        return _json({"token": token, "profile": {"id": PROFILE}}, 201)

    async def transaction(self, request: Request) -> Response:
        self._with_token(request.headers.get("authorization", "").removeprefix("Bearer "))
        return _json(self._known(request.path_params["id"]))

    async def inquiry(self, request: Request) -> Response:
        asked = await _read(request, InquiryRequest)
        self._with_token(asked.auth_token)
        found = self._books.newest(asked.order_id, asked.merchant_order_id)
        if found is None:
            raise RefusedError(404, "Transaction not found")
        return _json(found)

    async def refund(self, request: Request) -> Response:
        self._with_secret_key(request)
        asked = await _read(request, AmountRequest)
        return self._reversed(self._books.refund(self._known(asked.transaction_id), asked.amount_cents))

    async def void(self, request: Request) -> Response:
        self._with_secret_key(request)
        return self._reversed(self._books.void(self._known((await _read(request, VoidRequest)).transaction_id)))

    async def capture(self, request: Request) -> Response:
        self._with_secret_key(request)
        asked = await _read(request, AmountRequest)
        return self._reversed(self._books.capture(self._known(asked.transaction_id), asked.amount_cents))

    async def script(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._script.clear()
        else:
            self._script.add(await request.body())
        return Response(status_code=204)

    async def callbacks(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._delivery.sent.clear()
        return _json(self._delivery.listing())

    async def finish(self, request: Request) -> Response:
        obj = self._known(request.path_params["id"])
        self._books.finish(obj, success=bool(orjson.loads(await request.body()).get("success", True)))
        self._tell(obj, None)
        return _json(obj)

    async def subscription(self, request: Request) -> Response:
        asked = await _read(request, SubscriptionRequest)
        first = self._known(asked.initial_transaction)
        body: Json = {"trigger_type": asked.trigger_type, "subscription_data": _subscription(asked, first)}
        if asked.trigger_type == "Successful Transaction":
            renewal = self._books.renew(first)
            body["transaction_id"] = renewal["id"]
            self._tell(renewal, None)
        made = self._books.of_order(first["order"]["id"])
        self._delivery.subscription(self._notified(made), body)
        return _json(body, 201)

    def _reversed(self, child: Json) -> Response:
        self._tell(child, None)
        return _json(child, 201)

    def _tell(self, obj: Json, made: Intention | None) -> None:
        self._delivery.transaction(self._notified(made or self._books.of_order(obj["order"]["id"])), obj)

    def _notified(self, made: Intention) -> str:
        return made.asked["notification_url"] or self._dashboard

    def _known(self, number: int) -> Json:
        found = self._books.transaction(number)
        if found is None:
            raise RefusedError(404, "Transaction not found")
        return found

    def _with_secret_key(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Token {SECRET_KEY}":
            raise RefusedError(401, "Invalid token.")

    def _with_token(self, token: str) -> None:
        if self._tokens.get(token, 0) <= time.monotonic():
            raise RefusedError(401, "incorrect credentials")

    def _scripted(self, name: str, endpoint: Endpoint) -> Endpoint:
        async def answer(request: Request) -> Response:
            rules = self._script.of_call(name)
            await asyncio.sleep(sum(rule.seconds for rule in rules if isinstance(rule, Slow)))
            for rule in rules:
                if isinstance(rule, Status):
                    return _json({"detail": "as its script says"}, rule.status)
            if not any(isinstance(rule, AnswerLost) for rule in rules):
                return await endpoint(request)
            with suppress(RefusedError, ValidationError, Impossible):
                await endpoint(request)
            return _json({"detail": "lost"}, 504)

        return answer


def create_app() -> Starlette:
    """The stand-in, with the addresses of the environment."""
    return StandIn(os.environ.get("LOCAL_DASHBOARD_URL", "")).app()


def _choice(chosen: str, rules: list[Payments]) -> Choice:
    for rule in rules:
        return "decline" if rule.kind == "declined" else "pending"
    return "decline" if chosen == "decline" else "pending" if chosen == "pending" else "pay"


def _card(obj: Json, made: Intention) -> Json:
    return {
        "id": obj["id"] + 1,
        "token": secrets.token_hex(24),
        "masked_pan": "xxxx-xxxx-xxxx-1111",
        "merchant_id": PROFILE,
        "card_subtype": "Visa",
        "created_at": obj["created_at"],
        "email": made.asked["billing_data"]["email"],
        "order_id": str(made.order_id),
    }


def _subscription(asked: SubscriptionRequest, first: Json) -> Json:
    return {
        "id": asked.initial_transaction,
        "initial_transaction": asked.initial_transaction,
        "plan_id": asked.plan_id,
        "state": asked.state,
        "amount_cents": first["amount_cents"],
    }


async def _read(request: Request, model: type[Asked]) -> Asked:
    return model.model_validate_json(await request.body())


def _json(body: object, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


async def _health(_: Request) -> Response:
    return _json({"status": "ok"})


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return _json({"detail": str(error)}, error.status)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, ValidationError)
    return Response(
        error.json(include_url=False, include_input=False, include_context=False), 400, media_type="application/json"
    )


async def _impossible(_: Request, error: Exception) -> Response:
    return _json({"detail": str(error)}, 400)

"""Paymob's API, as far as we use it. Each call has `PAYMOB_TIMEOUT_SECONDS`, one try, and fails in one of two ways.

`PaymobAwayError`: no answer, or one that says nothing; what was asked may have happened all the same. Asking for an
intention or an inquiry again is harmless; a refund must be inquired about first. `PaymobRefusedError`: Paymob said no,
and would again. Neither carries keys, card data or what the buyer is called.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictInt, StrictStr, ValidationError

from schemas.paymob.callbacks import Inquiry
from schemas.settings import Settings

TOKEN_SECONDS: Final = 50 * 60
"""How long an auth token is used; Paymob's is good for an hour."""
_TRANSIENT: Final = frozenset({408, 425, 429})
_NAME_UNKNOWN: Final = "NA"


class PaymobNotConfiguredError(Exception):
    """A `PAYMOB_…` setting that this needs is not set; its name is the argument."""


class PaymobAwayError(Exception):
    """No usable answer in time; it may have happened."""


class PaymobRefusedError(Exception):
    """Paymob refused for good."""

    def __init__(self, what: str, status: int) -> None:
        super().__init__(f"{what}: {status}")
        self.status = status


class Billing(BaseModel):
    """Who pays, as Paymob wants to know it; passed on and never kept."""

    model_config = ConfigDict(frozen=True)

    first_name: str = _NAME_UNKNOWN
    last_name: str = _NAME_UNKNOWN
    email: str = _NAME_UNKNOWN
    phone_number: str = _NAME_UNKNOWN


@dataclass(frozen=True, slots=True)
class Purchase:
    """What an intention is for. `reference` must never have been used before."""

    reference: str
    item: str
    amount_piastres: int
    currency: str
    billing: Billing
    expires_in_seconds: int
    subscription_plan_id: int | None = None


@dataclass(frozen=True, slots=True)
class Intention:
    """`order_id` is what callbacks carry as `order.id`; the buyer, and nobody else, pays at `checkout_url`."""

    order_id: int
    checkout_url: str


class _IntentionAnswer(BaseModel):
    client_secret: StrictStr = Field(min_length=1)
    intention_order_id: StrictInt = Field(gt=0, le=2**63 - 1)


class _TokenAnswer(BaseModel):
    token: StrictStr = Field(min_length=1)


Answer = TypeVar("Answer", bound=BaseModel)


class Paymob:
    """One a process. `http` is closed by whoever opened it."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._base = settings.paymob_base_url.rstrip("/")
        self._token: tuple[str, float] | None = None
        self._fetching = asyncio.Lock()

    async def create_intention(self, purchase: Purchase) -> Intention:
        """Prepare a payment and say where the buyer makes it."""
        settings = self._settings
        public_key = settings.paymob_public_key
        if public_key is None:
            raise PaymobNotConfiguredError("PAYMOB_PUBLIC_KEY")
        if not settings.paymob_integration_ids:
            raise PaymobNotConfiguredError("PAYMOB_INTEGRATION_IDS")
        body: dict[str, Any] = {
            "amount": purchase.amount_piastres,
            "currency": purchase.currency,
            "payment_methods": list(settings.paymob_integration_ids),
            "items": [{"name": purchase.item, "amount": purchase.amount_piastres, "quantity": 1}],
            "billing_data": purchase.billing.model_dump(),
            "special_reference": purchase.reference,
            "expiration": purchase.expires_in_seconds,
        }
        if purchase.subscription_plan_id is not None:
            body["subscription_plan_id"] = purchase.subscription_plan_id
        if settings.paymob_notification_url:
            body["notification_url"] = settings.paymob_notification_url
        if settings.paymob_redirection_url:
            body["redirection_url"] = settings.paymob_redirection_url
        made = _parsed(
            _IntentionAnswer, "intention", await self._call("intention", "POST", "/v1/intention/", body, self._secret())
        )
        query = urlencode({"publicKey": public_key, "clientSecret": made.client_secret})
        return Intention(made.intention_order_id, f"{settings.paymob_checkout_url}?{query}")

    async def inquire_transaction(self, transaction_id: int) -> dict[str, Any] | None:
        """The transaction as Paymob has it now, in the shape of a callback's `obj` and checked as `Inquiry`; None when
        Paymob knows of none."""
        path = f"/api/acceptance/transactions/{transaction_id}"
        return await self._inquiry("inquire_transaction", "GET", path, None)

    async def inquire_order(self, intention_order_id: int) -> dict[str, Any] | None:
        """The newest transaction of an intention's order; None when nobody has tried to pay."""
        body = {"order_id": intention_order_id}
        return await self._inquiry("inquire_order", "POST", "/api/ecommerce/orders/transaction_inquiry", body)

    async def refund(self, transaction_id: int, amount_piastres: int) -> dict[str, Any]:
        """Give back all or a part; the answer is the refund's own transaction. Asked twice, Paymob refunds twice."""
        body = {"transaction_id": transaction_id, "amount_cents": amount_piastres}
        return await self._reversal("refund", body)

    async def void(self, transaction_id: int) -> dict[str, Any]:
        """Take back a payment of today, before it is settled with the bank."""
        return await self._reversal("void", {"transaction_id": transaction_id})

    async def _reversal(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        raw = await self._call(what, "POST", f"/api/acceptance/void_refund/{what}", body, self._secret())
        _parsed(Inquiry, what, raw)
        return dict(orjson.loads(raw))

    async def _inquiry(self, what: str, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any] | None:
        """With a token of an hour, which is fetched anew once when Paymob no longer takes it."""
        for last in (False, True):
            token = await self._auth_token()
            authorized = None if body is None else {**body, "auth_token": token}
            try:
                raw = await self._call(what, method, path, authorized, f"Bearer {token}")
            except PaymobRefusedError as error:
                if error.status == 404:
                    return None
                if error.status not in (401, 403) or last:
                    raise
                self._token = None
            else:
                _parsed(Inquiry, what, raw)
                return dict(orjson.loads(raw))
        raise AssertionError("unreachable")

    async def _auth_token(self) -> str:
        async with self._fetching:
            if self._token is None or self._token[1] <= time.monotonic():
                key = _required("PAYMOB_API_KEY", self._settings.paymob_api_key)
                asked = time.monotonic()
                raw = await self._call("auth_token", "POST", "/api/auth/tokens", {"api_key": key}, None)
                self._token = (_parsed(_TokenAnswer, "auth_token", raw).token, asked + TOKEN_SECONDS)
            return self._token[0]

    def _secret(self) -> str:
        return f"Token {_required('PAYMOB_SECRET_KEY', self._settings.paymob_secret_key)}"

    async def _call(
        self, what: str, method: str, path: str, body: dict[str, Any] | None, authorization: str | None
    ) -> bytes:
        """The body of a 2xx answer. Redirects are not followed: a key goes to nobody but Paymob."""
        try:
            async with asyncio.timeout(self._settings.paymob_timeout_seconds):
                answer = await self._http.request(
                    method,
                    f"{self._base}{path}",
                    content=None if body is None else orjson.dumps(body),
                    headers={
                        "Content-Type": "application/json",
                        **({} if authorization is None else {"Authorization": authorization}),
                    },
                    follow_redirects=False,
                )
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise PaymobAwayError(f"{what}: {type(error).__name__}") from None
        if answer.is_success:
            return answer.content
        if answer.is_client_error and answer.status_code not in _TRANSIENT:
            raise PaymobRefusedError(what, answer.status_code)
        raise PaymobAwayError(f"{what}: {answer.status_code}")


def open_http(settings: Settings) -> httpx.AsyncClient:
    """A client for `Paymob`; nothing is sent yet."""
    return httpx.AsyncClient(timeout=settings.paymob_timeout_seconds)


def _parsed(model: type[Answer], what: str, raw: bytes) -> Answer:
    try:
        return model.model_validate(orjson.loads(raw))
    except (ValidationError, orjson.JSONDecodeError):
        raise PaymobAwayError(f"{what}: not the answer that was expected") from None


def _required(name: str, value: SecretStr | None) -> str:
    if value is None:
        raise PaymobNotConfiguredError(name)
    return value.get_secret_value()

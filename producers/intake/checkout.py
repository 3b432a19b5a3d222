"""`POST /v1/checkout`: an order with its price, an intention at Paymob, and the address where it is paid.

The order's row comes first, so that whatever is paid later has something to be bound to. An intention whose answer was
lost is asked for again under another reference: the lost one was shown to nobody, so nobody can pay it, and a callback
counts only for the intention that the order's row names. Nothing is granted here.
"""

import re
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import structlog
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from producers.intake.answers import json_response
from producers.intake.body import read_object
from producers.intake.refusals import no_account
from producers.intake.services import Services, services_of
from schemas.orders import BillingDetails, CheckoutBody, CreditPackCheckout, PlanCheckout
from schemas.paymob.client import (
    Billing,
    Intention,
    PaymobAwayError,
    PaymobNotConfiguredError,
    PaymobRefusedError,
    Purchase,
)
from schemas.problems import ProblemError
from schemas.tools import InvalidParametersError, faults

log = structlog.get_logger()

TRIES = 2
_BUSY_SECONDS = 5
_KEY = re.compile(r"[!-~]{1,255}")


async def checkout(request: Request) -> Response:
    """Order a plan or a credit pack. With an `Idempotency-Key` a repetition answers the same order."""
    services = services_of(request)
    user_id = await services.authenticator.user_id(request)
    if not services.settings.can_sell:
        raise ProblemError("payments_unavailable", "Payments are not set up.")
    key = _idempotency_key(request)
    asked = await _asked(request)
    order = await services.purchases.create_order(
        user_id,
        asked.plan_id if isinstance(asked, PlanCheckout) else None,
        asked.credit_pack_id if isinstance(asked, CreditPackCheckout) else None,
        key,
        timedelta(seconds=services.settings.order_lifetime_seconds),
    )
    if order["outcome"] not in ("created", "existing"):
        raise _refusal(order["outcome"])
    structlog.contextvars.bind_contextvars(order_id=str(order["id"]))
    url = order["checkout_url"] or await _prepare(services, user_id, order, asked.billing)
    return json_response(
        CheckoutBody(order_id=order["id"], checkout_url=url), 201, {"Location": f"/v1/orders/{order['id']}"}
    )


async def _prepare(services: Services, user_id: UUID, order: asyncpg.Record, billing: BillingDetails | None) -> str:
    """Get an intention and keep it with the order; when another request was quicker, its address."""
    seconds = int((order["expires_at"] - datetime.now(UTC)).total_seconds())
    if order["status"] != "open" or seconds < 1:
        raise ProblemError("idempotency_conflict", "The order of this key has ended.")
    intention = await _intention(services, user_id, order, billing, seconds)
    attached = await services.purchases.attach_intention(order["id"], intention.order_id, intention.checkout_url)
    if attached in ("attached", "already"):
        log.info("order_prepared", intention_order_id=intention.order_id)
        return intention.checkout_url
    now = await services.purchases.order(order["id"], user_id)
    if now is None or now["checkout_url"] is None:
        raise ProblemError("payments_unavailable", retry_after=_BUSY_SECONDS)
    return str(now["checkout_url"])


async def _intention(
    services: Services, user_id: UUID, order: asyncpg.Record, billing: BillingDetails | None, seconds: int
) -> Intention:
    """Ask Paymob, twice at most. Every try has a reference of its own, as Paymob takes each only once."""
    # Known to be the first: then the reference is the order's id and no more.
    reference = str(order["id"]) if order["outcome"] == "created" else _another_reference(order["id"])
    for remaining in reversed(range(TRIES)):
        try:
            return await services.paymob.create_intention(
                Purchase(
                    reference=reference,
                    item=order["item_name"],
                    amount_piastres=order["amount_piastres"],
                    currency=order["currency"],
                    billing=_billing(user_id, billing),
                    expires_in_seconds=seconds,
                    subscription_plan_id=order["subscription_plan_id"],
                )
            )
        except PaymobAwayError as error:
            log.warning("paymob_unavailable", error=str(error), tries_left=remaining)
            reference = _another_reference(order["id"])
        except (PaymobRefusedError, PaymobNotConfiguredError) as error:
            log.error("paymob_refused", error=str(error))
            raise ProblemError("payments_unavailable") from None
    raise ProblemError("payments_unavailable", retry_after=_BUSY_SECONDS)


def _another_reference(order_id: UUID) -> str:
    return f"{order_id}-{secrets.token_hex(4)}"


def _billing(user_id: UUID, billing: BillingDetails | None) -> Billing:
    """Paymob insists on all four; what we do not know we do not make up, but for an address that leads nowhere."""
    if billing is None:
        return Billing(email=f"{user_id}@customers.invalid")
    return Billing(**billing.model_dump())


async def _asked(request: Request) -> PlanCheckout | CreditPackCheckout:
    raw = await read_object(request, services_of(request).settings.intake_max_body_bytes)
    model = CreditPackCheckout if "creditPackId" in raw else PlanCheckout
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InvalidParametersError(faults(error)) from None


def _idempotency_key(request: Request) -> str | None:
    keys = request.headers.getlist("idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise InvalidParametersError([("Idempotency-Key", "must be one value of 1 to 255 visible ASCII characters")])
    return keys[0]


def _refusal(outcome: str) -> ProblemError:
    if outcome in ("account_deleted", "account_not_found"):
        return no_account(outcome)
    return ProblemError(outcome)

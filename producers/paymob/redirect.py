"""`GET /webhooks/paymob`: where Paymob sends the buyer's browser afterwards. It shows, and never fulfils anything.

The query is the buyer's to change. What it says is believed only as far as it is signed, and only for what the page
says; the order itself is what `GET /v1/orders/{id}` answers.
"""

from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from producers.intake.services import services_of
from schemas.paymob.signature import UnsignableError, redirect_text, verifies
from schemas.problems import ProblemError

Outcome = Literal["paid", "declined", "pending", "unknown"]

_SENTENCES: Final[Mapping[Outcome, str]] = {
    "paid": "Thank you: the payment went through. What you bought appears in the app in a moment.",
    "declined": "The payment did not go through. You have not been charged; you can try again in the app.",
    "pending": "The payment is not finished yet. What you bought appears in the app once it is.",
    "unknown": "The app shows what has become of your order.",
}
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Payment</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem}}</style></head>
<body><p>{sentence}</p><p>You can close this page.</p></body></html>
"""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
}


async def paymob_redirect(request: Request) -> Response:
    """Show a buyer how it went, or send them on to the app's own page with `outcome` and `orderId`."""
    settings = services_of(request).settings
    if settings.paymob_hmac_secret is None:
        raise ProblemError("not_found")
    outcome = _outcome(settings.paymob_hmac_secret.get_secret_value(), request)
    if settings.paymob_result_url is None:
        return Response(_PAGE.format(sentence=_SENTENCES[outcome]), headers=_HEADERS, media_type="text/html")
    found: dict[str, str] = {"outcome": outcome}
    if order_id := _order_id(request.query_params.get("merchant_order_id", "")):
        found["orderId"] = order_id
    joint = "&" if "?" in settings.paymob_result_url else "?"
    return RedirectResponse(f"{settings.paymob_result_url}{joint}{urlencode(found)}", 303, headers=_HEADERS)


def _outcome(secret: str, request: Request) -> Outcome:
    query = request.query_params
    digests = query.getlist("hmac")
    values = dict(query)
    try:
        if len(digests) != 1 or not verifies(secret, redirect_text(values), digests[0]):
            return "unknown"
    except UnsignableError:
        return "unknown"
    if values.get("pending") == "true":
        return "pending"
    return "paid" if values.get("success") == "true" else "declined"


def _order_id(reference: str) -> str | None:
    """The order that a reference names; anything else is not passed on."""
    try:
        return str(UUID(reference[:36]))
    except ValueError:
        return None

"""The checkout page: a plain form that a person or a test fills in, and the browser's way back with a signed query."""

from html import escape
from typing import Any
from urllib.parse import urlencode

from deploy.local.paymob.books import Intention, Json
from deploy.local.paymob.merchant import HMAC_SECRET, INTEGRATIONS
from schemas.paymob.signature import sign, transaction_text

_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Local checkout</title>
<style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:28rem;margin:10vh auto}}button,select{{font:inherit}}</style>
</head><body><h1>Local checkout</h1>{content}</body></html>
"""
_FORM = """<p>{item}: <strong>{amount} {currency}</strong></p>
<form method="post" action="/unifiedcheckout/pay">
<input type="hidden" name="clientSecret" value="{client_secret}">
<p><label>With <select name="integration">{options}</select></label></p>
<p><label><input type="checkbox" name="saveCard" value="yes"> keep the card</label></p>
<p><button name="choice" value="pay">Pay</button> <button name="choice" value="decline">Be declined</button>
<button name="choice" value="pending">Leave it pending</button></p></form>
<p>No money moves here: this page stands in for Paymob's.</p>"""


def checkout_page(intention: Intention) -> str:
    """The form of what is to be paid, or why nothing can be."""
    if intention.closed:
        return message_page(intention.closed)
    asked = intention.asked
    options = "".join(f'<option value="{i}">{INTEGRATIONS[i]} ({i})</option>' for i in asked["payment_methods"])
    return _FRAME.format(
        content=_FORM.format(
            item=escape(asked["items"][0]["name"]),
            amount=f"{asked['amount'] / 100:.2f}",
            currency=escape(asked["currency"]),
            client_secret=escape(intention.client_secret),
            options=options,
        )
    )


def message_page(text: str) -> str:
    return _FRAME.format(content=f"<p>{escape(text)}</p>")


def way_back(url: str, obj: Json) -> str:
    """The redirect's address: the transaction, flat, in the query, with the same signature as the callback's."""
    flat: dict[str, Any] = {key: value for key, value in obj.items() if not isinstance(value, dict)}
    flat |= {"order": obj["order"]["id"], "merchant_order_id": obj["order"]["merchant_order_id"]}
    flat |= {f"source_data.{key}": value for key, value in obj["source_data"].items()}
    flat |= {"data.message": obj["data"]["message"], "hmac": sign(HMAC_SECRET, transaction_text(obj))}
    rendered = {key: _rendered(value) for key, value in flat.items()}
    return f"{url}{'&' if '?' in url else '?'}{urlencode(rendered)}"


def _rendered(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)

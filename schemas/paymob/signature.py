"""Paymob's signatures: HMAC-SHA512 in lower-case hex over some values of a callback, joined without a separator.

What is signed says little: the values can be split in other places with the same digest, most of a callback is not
among them, the buyer's browser holds the same signature, and it is good for ever. So a signature only says that Paymob
once signed these characters; `schemas.paymob.callbacks` adds the strict types, and what a callback may do is decided by
our own order's row.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

TRANSACTION_VALUES: Final = (
    "amount_cents",
    "created_at",
    "currency",
    "error_occured",
    "has_parent_transaction",
    "id",
    "integration_id",
    "is_3d_secure",
    "is_auth",
    "is_capture",
    "is_refunded",
    "is_standalone_payment",
    "is_voided",
    "order.id",
    "owner",
    "pending",
    "source_data.pan",
    "source_data.sub_type",
    "source_data.type",
    "success",
)
"""In this order, from `obj`; `error_occured` is spelled so."""
TOKEN_VALUES: Final = (
    "card_subtype",
    "created_at",
    "email",
    "id",
    "masked_pan",
    "merchant_id",
    "order_id",
    "token",
)
DIGEST_LENGTH: Final = 128


class UnsignableError(Exception):
    """A signed value is of a type that Paymob never signs."""


def transaction_text(obj: Mapping[str, Any]) -> str:
    """What is signed of a transaction's `obj`. Raises `UnsignableError`."""
    return "".join(_rendered(_find(obj, name)) for name in TRANSACTION_VALUES)


def redirect_text(query: Mapping[str, str]) -> str:
    """What is signed of the browser's redirect: the same values, flat, the order's id as `order` (once `order_id`)."""
    flat = {**query, "order.id": query.get("order", query.get("order_id", ""))}
    return "".join(flat.get(name, "") for name in TRANSACTION_VALUES)


def token_text(obj: Mapping[str, Any]) -> str:
    """What is signed of a saved card's `obj`. Raises `UnsignableError`."""
    return "".join(_rendered(obj.get(name)) for name in TOKEN_VALUES)


def subscription_text(trigger_type: str, subscription_id: int) -> str:
    """What is signed of a subscription's callback."""
    return f"{trigger_type}for{subscription_id}"


def sign(secret: str, text: str) -> str:
    """The digest that Paymob sends with this text. Raises `UnsignableError` for what is no Unicode text."""
    try:
        return hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest()
    except UnicodeEncodeError:
        raise UnsignableError from None


def verifies(secret: str, text: str, digest: str) -> bool:
    """Whether the digest is this text's; takes the same time wherever they differ."""
    return hmac.compare_digest(sign(secret, text).encode(), digest.encode(errors="replace"))


def _find(obj: Mapping[str, Any], name: str) -> Any:
    parent, _, child = name.rpartition(".")
    if not parent:
        return obj.get(name)
    inner = obj.get(parent)
    if inner is None:
        return None
    if not isinstance(inner, Mapping):
        raise UnsignableError(parent)
    return inner.get(child)


def _rendered(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | str():
            return str(value)
        case _:
            raise UnsignableError(type(value).__name__)

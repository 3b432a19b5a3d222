"""Paymob's callbacks as types: strict, so that no value means two things, and verified, so that Paymob once signed it.

`verified_callback` is the only way from bytes to a callback. Of what it answers only the signed values are proven;
everything else in the body is a hint that anybody who saw the signature may have changed.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from schemas.paymob.signature import (
    DIGEST_LENGTH,
    UnsignableError,
    subscription_text,
    token_text,
    transaction_text,
    verifies,
)

Number = Annotated[StrictInt, Field(ge=0, le=2**63 - 1)]
Piastres = Annotated[StrictInt, Field(ge=0, le=2**31 - 1)]
Currency = Annotated[StrictStr, Field(pattern=r"^[A-Z]{3}$")]
# The year has four digits: the amount stands before it, and could lend or borrow a digit otherwise.
Moment = Annotated[
    StrictStr,
    Field(
        pattern=r"^[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,9})?(Z|[+-][0-9:]{5})?$"
    ),
]
Kind = Literal["TRANSACTION", "TOKEN", "SUBSCRIPTION"]


class _Part(BaseModel):
    """What is not named is ignored here, and kept in the body as it came."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class TransactionOrder(_Part):
    """`id` is the intention's order; what else it says is not signed."""

    id: Number


class SourceData(_Part):
    """What was paid with. Never logged."""

    type: StrictStr | None = None
    pan: StrictStr | None = Field(None, repr=False)
    sub_type: StrictStr | None = None


class Transaction(_Part):
    """The signed values of a transaction, from a callback's `obj` or the answer to an inquiry."""

    id: Number
    amount_cents: Piastres
    created_at: Moment
    currency: Currency
    error_occured: StrictBool
    has_parent_transaction: StrictBool
    integration_id: Number
    is_3d_secure: StrictBool
    is_auth: StrictBool
    is_capture: StrictBool
    is_refunded: StrictBool
    is_standalone_payment: StrictBool
    is_voided: StrictBool
    order: TransactionOrder
    owner: Number
    pending: StrictBool
    source_data: SourceData
    success: StrictBool


class Inquiry(Transaction):
    """An answer to an inquiry: over our own connection to Paymob, so what callbacks do not sign counts here."""

    is_captured: StrictBool = False
    is_refund: StrictBool = False
    is_void: StrictBool = False
    captured_amount: Piastres = 0
    refunded_amount_cents: Piastres = 0
    parent_transaction: Number | None = None


class CardToken(_Part):
    """A card that the buyer let Paymob keep. Its digits are never logged."""

    id: Number
    token: StrictStr = Field(repr=False)
    masked_pan: StrictStr = Field(repr=False)
    merchant_id: Number
    card_subtype: StrictStr
    created_at: Moment
    email: StrictStr = Field(repr=False)
    order_id: StrictStr


class SubscriptionData(_Part):
    id: Number


class Subscription(_Part):
    """A change of a subscription. The signature says only which, and what happened."""

    subscription_data: SubscriptionData
    trigger_type: Annotated[StrictStr, Field(pattern=r"^[A-Za-z][A-Za-z _-]{0,63}$")]
    hmac: StrictStr


class RefusedCallbackError(Exception):
    """Not a callback that Paymob signed, or not in the shape Paymob gives it; `reason` is for the counter."""

    def __init__(self, reason: Literal["malformed", "signature"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback that Paymob signed. `key` is the same for all copies, whatever stands around the signed values.

    `kind` is None for a type that we have no use for. `body` is the whole of it.
    """

    kind: Kind | None
    key: str
    body: dict[str, Any]


_NUL: Final = rb"\u0000"
"""Postgres keeps no text with it."""
_Layout = tuple[Kind, Callable[[Mapping[str, Any]], str], type[BaseModel]]
_LAYOUTS: Final[tuple[_Layout, ...]] = (
    ("TRANSACTION", transaction_text, Transaction),
    ("TOKEN", token_text, CardToken),
)
_KINDS: Final = frozenset(kind for kind, _, _ in _LAYOUTS)


def verified_callback(secret: str, raw: bytes, digest: str | None) -> Callback:
    """The callback in these bytes; `digest` is the query's, None where there was none. Raises `RefusedCallbackError`.

    A type we do not know must carry a signature in one of the known layouts all the same.
    """
    try:
        body = orjson.loads(raw)
        if not isinstance(body, dict) or _NUL in raw:
            raise RefusedCallbackError("malformed")
        if "obj" not in body and "subscription_data" in body:
            return _subscription(secret, body)
        if digest is None:
            raise RefusedCallbackError("signature")
        return _typed(secret, body, digest)
    except (orjson.JSONDecodeError, UnsignableError, ValidationError):
        raise RefusedCallbackError("malformed") from None


def _typed(secret: str, body: dict[str, Any], digest: str) -> Callback:
    kind, obj = body.get("type"), body.get("obj")
    if not isinstance(kind, str) or not isinstance(obj, dict) or len(digest) != DIGEST_LENGTH:
        raise RefusedCallbackError("malformed")
    for known, text_of, model in _LAYOUTS:
        text = text_of(obj) if kind == known or kind not in _KINDS else None
        if text is not None and verifies(secret, text, digest):
            if kind != known:
                return Callback(None, "", body)
            model.model_validate(obj)
            return Callback(known, _key(known, text), body)
    raise RefusedCallbackError("signature")


def _subscription(secret: str, body: dict[str, Any]) -> Callback:
    """This kind carries its digest itself. The key takes in the whole body, as what is signed repeats every month."""
    subscription = Subscription.model_validate(body)
    text = subscription_text(subscription.trigger_type, subscription.subscription_data.id)
    if not verifies(secret, text, subscription.hmac):
        raise RefusedCallbackError("signature")
    return Callback(
        "SUBSCRIPTION", _key("SUBSCRIPTION", orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()), body
    )


def _key(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind}:{text}".encode()).hexdigest()

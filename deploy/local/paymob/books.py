"""What the stand-in remembers: intentions and the transactions made on them, in the shape of a callback's `obj`.

Kept in memory. Numbers go on from the clock, so that none comes twice although the stand-in was restarted.
"""

import itertools
import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final, Literal

from deploy.local.paymob.merchant import AUTHORIZE, INTEGRATIONS, OWNER, PROFILE

Choice = Literal["pay", "decline", "pending"]
Json = dict[str, Any]
CAIRO: Final = timezone(timedelta(hours=2))


class Impossible(ValueError):  # noqa: N818 - it is what was asked
    """Paymob would refuse this."""


@dataclass
class Intention:
    """A payment prepared. `expires` is a monotonic time."""

    order_id: int
    client_secret: str
    asked: Json
    expires: float
    transactions: list[Json] = field(default_factory=list)

    @property
    def closed(self) -> str | None:
        """Why nobody can pay any more."""
        if any(t["success"] or t["pending"] for t in self.transactions):
            return "This order has been paid, or is being paid."
        return "This order has expired." if time.monotonic() > self.expires else None


class Books:
    """All intentions and transactions."""

    def __init__(self) -> None:
        self._numbers = itertools.count(int(time.time() * 10))
        self._by_secret: dict[str, Intention] = {}
        self._by_order: dict[int, Intention] = {}
        self._by_reference: dict[str, Intention] = {}
        self._transactions: dict[int, Json] = {}

    def intend(self, asked: Json) -> Intention:
        """Raises `Impossible` for a reference that was used before."""
        if asked["special_reference"] in self._by_reference:
            raise Impossible("special_reference is already used")
        made = Intention(
            order_id=next(self._numbers),
            client_secret=f"egy_csk_local_{secrets.token_hex(16)}",
            asked=asked,
            expires=time.monotonic() + asked.get("expiration", 3600),
        )
        self._by_secret[made.client_secret] = made
        self._by_order[made.order_id] = made
        self._by_reference[asked["special_reference"]] = made
        return made

    def intention(self, client_secret: str) -> Intention | None:
        return self._by_secret.get(client_secret)

    def of_order(self, order_id: int) -> Intention:
        return self._by_order[order_id]

    def transaction(self, number: object) -> Json | None:
        return self._transactions.get(number) if isinstance(number, int) else None

    def newest(self, order_id: object, reference: object) -> Json | None:
        """The newest payment of an order, found by its number or by the merchant's reference."""
        found = self._by_order.get(order_id) if isinstance(order_id, int) else None
        if found is None and isinstance(reference, str):
            found = self._by_reference.get(reference)
        payments = [t for t in found.transactions if not t["has_parent_transaction"]] if found else []
        return payments[-1] if payments else None

    def pay(self, intention: Intention, integration: int, choice: Choice, *, live: bool = True) -> Json:
        """A buyer's attempt. Raises `Impossible` when it is over."""
        if intention.closed:
            raise Impossible(intention.closed)
        if integration not in intention.asked["payment_methods"]:
            raise Impossible("no such payment method")
        made = self._new(intention, integration, intention.asked["amount"])
        made |= {"success": choice == "pay", "pending": choice == "pending", "is_live": live}
        made["is_auth"] = integration == AUTHORIZE
        made["is_standalone_payment"] = not made["is_auth"]
        if choice == "decline":
            made["data"] = {"message": "Do not honour", "txn_response_code": "DECLINED"}
        return made

    def renew(self, first: Json) -> Json:
        """Another period of a subscription, charged by Paymob itself: an order of its own, without a reference."""
        if not _paid(first):
            raise Impossible("the subscription has never been paid")
        asked = {**self.of_order(first["order"]["id"]).asked, "special_reference": None}
        renewal = Intention(next(self._numbers), "", asked, expires=time.monotonic())
        self._by_order[renewal.order_id] = renewal
        made = self._new(renewal, first["integration_id"], first["amount_cents"])
        made |= {"success": True, "is_live": first["is_live"]}
        return made

    def finish(self, transaction: Json, *, success: bool) -> None:
        """What was pending is paid after all, or not."""
        if not transaction["pending"]:
            raise Impossible("the transaction is not pending")
        transaction |= {"pending": False, "success": success, "updated_at": _now()}

    def refund(self, transaction: Json, amount: int) -> Json:
        """Give back a part or all of what is left."""
        paid = transaction["captured_amount"] if transaction["is_auth"] else transaction["amount_cents"]
        if not _paid(transaction) or not 0 < amount <= paid - transaction["refunded_amount_cents"]:
            raise Impossible("not so much can be refunded")
        transaction |= {"is_refunded": True, "updated_at": _now()}
        transaction["refunded_amount_cents"] += amount
        return self._child(transaction, amount, "is_refund")

    def void(self, transaction: Json) -> Json:
        """Take a payment back before it is settled."""
        if not transaction["success"] or transaction["is_voided"] or transaction["refunded_amount_cents"]:
            raise Impossible("the transaction cannot be voided")
        transaction |= {"is_voided": True, "updated_at": _now()}
        return self._child(transaction, transaction["amount_cents"], "is_void")

    def capture(self, transaction: Json, amount: int) -> Json:
        """Take what was authorized."""
        free = transaction["amount_cents"] - transaction["captured_amount"]
        if not transaction["is_auth"] or not _alive(transaction) or not 0 < amount <= free:
            raise Impossible("not so much can be captured")
        transaction |= {"is_captured": True, "updated_at": _now()}
        transaction["captured_amount"] += amount
        return self._child(transaction, amount, "is_capture")

    def _child(self, parent: Json, amount: int, what: str) -> Json:
        intention = self.of_order(parent["order"]["id"])
        made = self._new(intention, parent["integration_id"], amount)
        made |= {"success": True, "has_parent_transaction": True, "parent_transaction": parent["id"], what: True}
        made["is_live"] = parent["is_live"]
        return made

    def _new(self, intention: Intention, integration: int, amount: int) -> Json:
        card = INTEGRATIONS[integration] == "card"
        made: Json = {
            "id": next(self._numbers),
            "pending": False,
            "amount_cents": amount,
            "success": False,
            "is_auth": False,
            "is_capture": False,
            "is_standalone_payment": True,
            "is_voided": False,
            "is_refunded": False,
            "is_3d_secure": card,
            "integration_id": integration,
            "profile_id": PROFILE,
            "has_parent_transaction": False,
            "order": {
                "id": intention.order_id,
                "created_at": _now(),
                "merchant": {"id": PROFILE},
                "amount_cents": intention.asked["amount"],
                "currency": intention.asked["currency"],
                "merchant_order_id": intention.asked["special_reference"],
                "paid_amount_cents": 0,
                "items": intention.asked["items"],
            },
            "created_at": _now(),
            "currency": intention.asked["currency"],
            "source_data": {"type": "card", "pan": "1111", "sub_type": "Visa"}
            if card
            else {"type": "wallet", "pan": "01010101010", "sub_type": "wallet"},
            "data": {"message": "Approved", "txn_response_code": "APPROVED"},
            "is_void": False,
            "is_refund": False,
            "payment_key_claims": {"extra": intention.asked.get("extras", {})},
            "error_occured": False,
            "is_live": True,
            "refunded_amount_cents": 0,
            "is_captured": False,
            "captured_amount": 0,
            "owner": OWNER,
            "parent_transaction": None,
            "updated_at": _now(),
        }
        self._transactions[made["id"]] = made
        intention.transactions.append(made)
        return made


def _alive(transaction: Json) -> bool:
    return transaction["success"] and not transaction["is_voided"]


def _paid(transaction: Json) -> bool:
    return _alive(transaction) and not transaction["has_parent_transaction"]


def _now() -> str:
    """Local time without a zone, as Paymob writes it."""
    return datetime.now(CAIRO).replace(tzinfo=None).isoformat(timespec="microseconds")

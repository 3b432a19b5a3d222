"""Asking Paymob about an order: every payment that it may have, each as it stands now."""

from collections.abc import Sequence
from typing import Any

from schemas.paymob.client import Paymob


async def transactions_of(paymob: Paymob, intention_order_id: int, known: Sequence[int]) -> list[dict[str, Any]]:
    """The order's payments, for `sparky.apply_inquiry`: the `known` ones, and the one behind its newest transaction.

    A refund is the newest transaction of its order; the payment that it takes back says how much of it is gone.
    Raises what `Paymob` raises; whatever was answered until then is lost, so ask again.
    """
    found = {number: await paymob.inquire_transaction(number) for number in known}
    newest = await paymob.inquire_order(intention_order_id)
    if newest is not None:
        parent = newest.get("parent_transaction") if newest["has_parent_transaction"] else None
        if parent is None:
            found.setdefault(newest["id"], newest)
        elif parent not in found:
            found[parent] = await paymob.inquire_transaction(parent)
    return [transaction for transaction in found.values() if transaction is not None]

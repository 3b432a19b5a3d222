"""Buying over HTTP: what a client asks for, and what an order looks like to its owner. camelCase on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from schemas.http import AnswerBody, RequestBody, Row

CatalogueId = Annotated[int, Field(ge=1, le=2_147_483_647)]
Name = Annotated[str, Field(min_length=1, max_length=50)]
OrderStatus = Literal["open", "paid", "expired", "refunded"]


class BillingDetails(RequestBody):
    """Who pays, for the bank's checks. Passed on to Paymob, kept nowhere."""

    first_name: Name
    last_name: Name
    email: Annotated[str, Field(max_length=254, pattern=r"^[!-?A-~]+@[!-?A-~]+$", examples=["buyer@example.com"])]
    phone_number: Annotated[str, Field(pattern=r"^\+?[0-9]{5,20}$", examples=["+201000000000"])]


class PlanCheckout(RequestBody):
    """Buy a plan for a month, or a month more of it."""

    plan_id: CatalogueId
    billing: BillingDetails | None = None


class CreditPackCheckout(RequestBody):
    """Buy credits."""

    credit_pack_id: CatalogueId
    billing: BillingDetails | None = None


class CheckoutBody(AnswerBody):
    """An order, and the page where it is paid."""

    order_id: UUID
    checkout_url: str


class OrderBody(AnswerBody):
    """An order as its owner sees it; times are UTC."""

    id: UUID
    status: OrderStatus
    plan_id: int | None
    credit_pack_id: int | None
    credits: int | None = Field(description="What a credit pack brings; null for a plan.")
    amount_piastres: int
    refunded_piastres: int
    currency: str
    checkout_url: str | None = Field(description="Where to pay, while the order is open.")
    expires_at: datetime
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def from_row(row: Row) -> "OrderBody":
        """The body of a row of the database's order columns."""
        columns = {name: row[name] for name in OrderBody.model_fields}
        if columns["status"] != "open":
            columns["checkout_url"] = None
        return OrderBody(**columns)


class CallbackTaken(AnswerBody):
    """The callback is noted, or was before."""

    status: Literal["ok"]

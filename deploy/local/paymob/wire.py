"""Paymob's requests as types: what the real service insists on is insisted on here."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator

from deploy.local.paymob.merchant import INTEGRATIONS

Text = Annotated[StrictStr, Field(min_length=1)]


class Item(BaseModel):
    name: Text
    amount: Annotated[StrictInt, Field(ge=0)]
    quantity: Annotated[StrictInt, Field(ge=1)] = 1


class BillingData(BaseModel):
    """All four are required; more may come."""

    first_name: Text
    last_name: Text
    email: Text
    phone_number: Text


class IntentionRequest(BaseModel):
    model_config = ConfigDict(extra="allow")

    amount: Annotated[StrictInt, Field(gt=0)]
    currency: Annotated[StrictStr, Field(pattern="^[A-Z]{3}$")]
    payment_methods: Annotated[list[StrictInt], Field(min_length=1)]
    items: Annotated[list[Item], Field(min_length=1)]
    billing_data: BillingData
    special_reference: Text
    extras: dict[str, Any] = Field(default_factory=dict)
    expiration: Annotated[StrictInt, Field(gt=0)] = 3600
    notification_url: StrictStr | None = None
    redirection_url: StrictStr | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if sum(item.amount * item.quantity for item in self.items) != self.amount:
            raise ValueError("items must sum to amount")
        if unknown := set(self.payment_methods) - set(INTEGRATIONS):
            raise ValueError(f"no such integration: {unknown}")
        return self


class TokenRequest(BaseModel):
    api_key: StrictStr


class InquiryRequest(BaseModel):
    auth_token: StrictStr
    order_id: StrictInt | None = None
    merchant_order_id: StrictStr | None = None


class VoidRequest(BaseModel):
    transaction_id: StrictInt


class AmountRequest(VoidRequest):
    """A refund or a capture."""

    amount_cents: Annotated[StrictInt, Field(gt=0)]


class SubscriptionRequest(BaseModel):
    """`/local/subscriptions`: something happens to the subscription that began with a transaction.

    With `Successful Transaction` it is renewed: another transaction, told of by a callback of its own besides.
    """

    initial_transaction: StrictInt
    trigger_type: Text = "Successful Transaction"
    plan_id: StrictInt = 5_001
    state: Text = "active"

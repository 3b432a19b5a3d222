"""A user's own account over HTTP: its deletion, and everything that is kept about it. camelCase on the wire."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from schemas.http import AnswerBody


class AccountDeletion(AnswerBody):
    """The account is being deleted: nothing can be submitted any more, and it will be gone within minutes."""

    status: Literal["deleting"]
    requested_at: datetime


class ExportedProfile(AnswerBody):
    """The account itself."""

    id: UUID
    email: str | None
    username: str | None
    plan_id: int
    plan_expires_at: datetime | None
    credits: int = Field(description="The balance; what is held for open generations is part of it.")
    credit_debt: int
    notification_preferences: dict[str, Any]
    created_at: datetime


class ExportedGeneration(AnswerBody):
    """A request and what came of it. The paths are names in the buckets `user_uploads` and `generations`."""

    id: UUID
    tool_id: str
    tool_parameters: dict[str, Any]
    status: Literal["queued", "processing", "succeeded", "failed", "canceled"]
    photo_path: str
    image_path: str | None
    result: dict[str, Any] | None
    error_code: str | None
    error_message: str | None
    credit_cost: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class LedgerEntry(AnswerBody):
    """One movement of credits; the sum of all is the balance."""

    id: int
    kind: Literal["grant", "capture", "purchase", "refund", "adjustment"]
    amount: int
    balance_after: int
    generation_id: UUID | None
    tool_id: str | None
    created_at: datetime


class ExportedNotification(AnswerBody):
    """What the user was told; the keys are the app's translations."""

    id: int
    type: Literal["offer", "feature", "general", "generation", "payment"]
    title_key: str
    message_key: str
    params: dict[str, Any]
    read: bool
    created_at: datetime


class ExportedOrder(AnswerBody):
    """A plan or a credit pack that was ordered."""

    id: UUID
    plan_id: int | None
    credit_pack_id: int | None
    amount_piastres: int
    currency: str
    status: str
    created_at: datetime


class ExportedPayment(AnswerBody):
    """What the payment service reported about an order."""

    id: int
    order_id: UUID | None
    kind: str
    amount_piastres: int
    currency: str
    success: bool
    created_at: datetime


class AccountExport(AnswerBody):
    """A user's own data, oldest first in each list."""

    profile: ExportedProfile
    generations: list[ExportedGeneration]
    ledger: list[LedgerEntry]
    notifications: list[ExportedNotification]
    orders: list[ExportedOrder]
    payments: list[ExportedPayment]


SECTIONS: dict[str, type[AnswerBody]] = {
    "generations": ExportedGeneration,
    "ledger": LedgerEntry,
    "notifications": ExportedNotification,
    "orders": ExportedOrder,
    "payments": ExportedPayment,
}
"""The lists of an export by name, in their order."""

"""What is true at Paymob: who really paid, and what was really given back; each change gives callbacks to send."""

from dataclasses import dataclass, field
from typing import Literal

from tests.support.orders import Order, Payment, Transaction

Attempt = Literal["paid", "declined", "pending", "authorized"]


@dataclass
class Truth:
    """One attempt to pay an order."""

    payment: Payment
    state: Attempt
    captured: int = 0
    refunded: int = 0
    voided: bool = False

    @property
    def order(self) -> Order:
        return self.payment.order

    @property
    def paid(self) -> bool:
        """Whether money came in: an authorization counts once all of it is captured."""
        return self.state == "paid" or (self.state == "authorized" and self.captured == self.order.amount)

    @property
    def bought(self) -> int:
        """The credits that what was paid less what was given back buys: a return takes its share, rounded down."""
        back = self.order.amount if self.voided else self.refunded
        return self.order.credits - self.order.credits * back // self.order.amount if self.paid else 0

    def obj(self) -> Transaction:
        """As Paymob would say it now."""
        return self.payment.obj(
            success=self.state in ("paid", "authorized"),
            pending=self.state == "pending",
            is_auth=self.state == "authorized",
            is_captured=self.captured > 0,
            captured_amount=self.captured,
            is_refunded=self.refunded > 0,
            refunded_amount_cents=self.refunded,
            is_voided=self.voided,
        )


@dataclass
class Bank:
    """All attempts, and every callback that there ever was: any of them may come again at any time."""

    attempts: list[Truth] = field(default_factory=list)
    callbacks: list[Transaction] = field(default_factory=list)

    def attempt(self, order: Order, state: Attempt) -> None:
        self.attempts.append(Truth(Payment(order), state))
        self.callbacks.append(self.attempts[-1].obj())

    def of(self, order: Order) -> list[Truth]:
        return [truth for truth in self.attempts if truth.order.id == order.id]

    def finish(self, truth: Truth, *, success: bool) -> None:
        """A pending payment ends."""
        truth.state = "paid" if success else "declined"
        self.callbacks.append(truth.obj())

    def capture(self, truth: Truth, amount: int) -> None:
        truth.captured += amount
        self.callbacks.append(truth.payment.refund(amount, is_refund=False, is_capture=True))
        self.callbacks.append(truth.obj())

    def refund(self, truth: Truth, amount: int) -> None:
        truth.refunded += amount
        self.callbacks.append(truth.payment.refund(amount))
        self.callbacks.append(truth.obj())

    def void(self, truth: Truth) -> None:
        truth.voided = True
        self.callbacks.append(truth.payment.refund(truth.order.amount, is_refund=False, is_void=True))
        self.callbacks.append(truth.obj())

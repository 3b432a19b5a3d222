"""Payments: the inbox of Paymob's callbacks is applied, and orders are inquired about, in case a callback was lost."""

from worker.payments.loop import Payments

__all__ = ["Payments"]

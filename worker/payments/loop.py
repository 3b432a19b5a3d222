"""Two activities beside the jobs: one applies callbacks, the other asks Paymob about orders. Neither waits for the
other, so that callbacks are applied while Paymob does not answer.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import asyncpg
import structlog

from schemas.database import Database
from schemas.paymob.client import Paymob, PaymobAwayError, PaymobNotConfiguredError, PaymobRefusedError, open_http
from schemas.paymob.inquiry import transactions_of
from schemas.settings import Settings
from worker.metrics import PAYMENTS
from worker.outage import Outage
from worker.payments.booking import Booking, Due, Event

PAGE: Final = 100
INQUIRIES_AT_ONCE: Final = 8

log = structlog.get_logger()


class Payments:
    """One worker's part of it. Without integrations of ours there is nothing to sell, and nothing is done."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._settings = settings
        self._booking = Booking(database, settings)
        self._paymob_away = Outage("paymob")

    async def run(self) -> None:
        """For ever, about every `WORKER_SWEEP_SECONDS`; ended by cancelling it."""
        if not self._settings.paymob_integration_ids:
            log.info("payments_off", missing="PAYMOB_INTEGRATION_IDS")
            return
        async with open_http(self._settings) as http, asyncio.TaskGroup() as activities:
            paymob = Paymob(self._settings, http)
            activities.create_task(self._repeat(Outage("payment_inbox"), lambda: self.apply_callbacks(paymob)))
            if self._settings.paymob_api_key is None:
                log.warning("inquiries_off", missing="PAYMOB_API_KEY")
            else:
                activities.create_task(self._repeat(Outage("order_inquiries"), lambda: self.inquire(paymob)))

    async def _repeat(self, outage: Outage, step: Callable[[], Awaitable[bool]]) -> None:
        """A step that says that there may be more is repeated at once."""
        while True:
            more = False
            try:
                more = await step()
                outage.over()
            except Exception as error:  # Postgres is away, in one of many ways
                outage.failed(error)
            if not more:
                await asyncio.sleep(self._settings.worker_sweep_seconds * random.uniform(0.75, 1.25))  # noqa: S311

    async def apply_callbacks(self, paymob: Paymob) -> bool:
        """A page of the inbox. What cannot be applied now is due again later, and holds up nothing else."""
        events = await self._booking.due_events(PAGE)
        for event in events:
            if not event.inquire:
                await self._told("callback", self._applied(event, []), callback=event.id, kind=event.kind)
        renewals = [event for event in events if event.inquire]
        await _few_at_once(self._renewed(paymob, event) for event in renewals)
        return len(events) == PAGE

    async def inquire(self, paymob: Paymob) -> bool:
        """A page of orders that may have been paid or given back without our hearing of it."""
        orders = await self._booking.due_orders(PAGE)
        await _few_at_once(self._inquired(paymob, order) for order in orders)
        return len(orders) == PAGE

    async def _applied(self, event: Event, transactions: list[dict[str, Any]]) -> str:
        if event.kind == "SUBSCRIPTION":
            return await self._booking.apply_subscription(event, transactions)
        return await self._booking.apply_event(event)

    async def _renewed(self, paymob: Paymob, event: Event) -> None:
        async def answered() -> str:
            answers = [await paymob.inquire_transaction(number) for number in event.inquire]
            return await self._applied(event, [answer for answer in answers if answer is not None])

        await self._asked("callback", answered(), callback=event.id, kind=event.kind)

    async def _inquired(self, paymob: Paymob, order: Due) -> None:
        async def answered() -> str:
            number = order.intention_order_id
            found = [] if number is None else await transactions_of(paymob, number, order.known)
            return await self._booking.apply_inquiry(order, found)

        await self._asked("inquiry", answered(), order=str(order.id))

    async def _asked(self, source: str, answer: Awaitable[str], **about: object) -> None:
        """What needs Paymob: its absence is told once, its refusal each time; both are tried again later."""
        try:
            await self._told(source, answer, **about)
            self._paymob_away.over()
        except PaymobAwayError as error:
            self._paymob_away.failed(error)
        except (PaymobRefusedError, PaymobNotConfiguredError) as error:
            log.error("paymob_refused", error=str(error), **about)

    async def _told(self, source: str, answer: Awaitable[str], **about: object) -> None:
        """Log and count an outcome. One that Postgres refuses to compute is logged, and does not stop the others."""
        try:
            outcome = await answer
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            log.error("payment_not_applied", source=source, error=str(error), **about)
            return
        PAYMENTS.labels(source, outcome).inc()
        if outcome == "waiting" or outcome.startswith("refused:"):
            log.warning("payment_unbooked", source=source, outcome=outcome, **about)
        elif outcome not in {"nothing", "already"}:
            log.info("payment_booked", source=source, outcome=outcome, **about)


async def _few_at_once(calls: Iterable[Awaitable[None]]) -> None:
    """All of them, `INQUIRIES_AT_ONCE` at a time. The first error is raised once every call has ended."""
    turns = asyncio.Semaphore(INQUIRIES_AT_ONCE)

    async def in_turn(call: Awaitable[None]) -> None:
        async with turns:
            await call

    ended = await asyncio.gather(*map(in_turn, calls), return_exceptions=True)
    for error in ended:
        if error is not None:
            raise error

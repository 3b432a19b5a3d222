"""The machine: people order, pay, spend and get their money back at Paymob; of its callbacks some come five times at
once, some late, some never, and inquiries are answered in between, by up to ten connections at a time.
"""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from typing import Any, ClassVar
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from schemas.database import Database
from tests.integration.sql.payments.bank import Attempt, Bank, Truth
from tests.support.accounts import Accounts
from tests.support.orders import HOUR, INTEGRATION, PRO, Order, Orders, Transaction, number

ODD_PACKS = {9001: (7, 1000), 9002: (3, 999), 9003: (50, 7)}
"""Credits and price in piastres of packs that divide badly."""
ITEMS: list[dict[str, int]] = [*({"pack": pack} for pack in ODD_PACKS), {"plan": PRO}]
PICK = st.integers(0, 10_000)
SHARE = st.integers(1, 5)
MOSTLY = st.sampled_from([True, True, True, False])
ATTEMPTS: list[Attempt] = ["paid", "paid", "paid", "declined", "pending", "authorized"]
FORGERIES: list[Transaction] = [
    {"amount_cents": 1},
    {"currency": "USD"},
    {"integration_id": INTEGRATION - 1},
    {"is_live": False},
]

BOUGHT = """
select orders.id,
    coalesce(sum(case effect when 'granted' then payments.credits else -payments.credits - owed end), 0)::integer
from public.orders left join public.payments on order_id = orders.id and effect <> 'none'
where orders.user_id = any ($1) group by orders.id
"""
MOVED = """
select (select count(*) from public.credit_usage where user_id = any ($1)),
    (select count(*) from public.payments where user_id = any ($1) and effect <> 'none')
"""
BOOKS = """
select credits, credit_debt,
    (select coalesce(sum(amount), 0) from sparky.holds where user_id = users.id) as held,
    (select coalesce(sum(owed), 0) from public.payments where user_id = users.id) as owed,
    (select coalesce(-sum(amount), 0) from public.credit_usage
        where user_id = users.id and reason = 'debt paid') as repaid
from public.users where id = any ($1)
"""


class PaymentsMachine(RuleBasedStateMachine):
    """`loop` and `database` are the test's; the pool was made on the loop, which runs only within a step."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.accounts = Accounts(self.database)
        self.orders = Orders(self.accounts)
        self.bank = Bank()
        self.made: list[Order] = []
        self.detached: list[Order] = []
        """Orders whose intention Paymob has and we have not stored yet."""
        self.keys: dict[int, str] = {}
        self.users: list[UUID] = []
        self.running: list[tuple[UUID, int]] = []
        self.before: set[str] = set()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def people(self) -> None:
        self.do(self._people())

    async def _people(self) -> None:
        for pack, (granted, price) in ODD_PACKS.items():
            await self.database.execute(
                "insert into public.credit_packs (id, name, credits, price_piastres) values ($1, 'Odd', $2, $3)"
                " on conflict do nothing",
                pack,
                granted,
                price,
            )
        # One of them may spend more in a day; neither has anything to lose but what was bought.
        self.users = [await self.accounts.user(plan=plan, balance=0) for plan in (1, 3)]
        self.before = set(await self.accounts.violations())

    # What people do

    @rule(user=PICK, item=st.sampled_from(ITEMS), stored=st.sampled_from([True, True, True, False]))
    def order(self, user: int, item: dict[str, int], stored: bool) -> None:
        owner = self.users[user % len(self.users)]
        row = self.do(self.orders.create(owner, plan=item.get("plan"), pack=item.get("pack"), lifetime=HOUR))
        order = Order(row["id"], owner, number(), row["amount_piastres"], row["credits"])
        self.made.append(order)
        self.detached.append(order)
        if stored:
            self.attach()

    @precondition(lambda self: self.detached)
    @rule()
    def attach(self) -> None:
        for order in self.detached:
            assert self.do(self.orders.attach(order.id, order.number)) == "attached"
        self.detached = []

    @precondition(lambda self: self.made)
    @rule(which=PICK, state=st.sampled_from(ATTEMPTS), heard=MOSTLY)
    def pay(self, which: int, state: Attempt, heard: bool) -> None:
        """At Paymob; mostly we hear of it at once."""
        order = self.made[which % len(self.made)]
        self.bank.attempt(order, state)
        if heard:
            self.do(self._together([self._hear(self.bank.callbacks[-1], self._key(-1))]))

    @rule(which=PICK, success=st.booleans())
    def finish(self, which: int, success: bool) -> None:
        if truth := self._one(which, [t for t in self.bank.attempts if t.state == "pending"]):
            self.bank.finish(truth, success=success)

    @rule(which=PICK, share=st.integers(1, 4))
    def capture(self, which: int, share: int) -> None:
        left = [
            t for t in self.bank.attempts if t.state == "authorized" and not t.voided and t.captured < t.order.amount
        ]
        if truth := self._one(which, left):
            rest = truth.order.amount - truth.captured
            self.bank.capture(truth, max(1, rest // share))

    @rule(which=PICK, share=SHARE, heard=MOSTLY)
    def refund(self, which: int, share: int, heard: bool) -> None:
        left = [t for t in self.bank.attempts if t.paid and not t.voided and t.refunded < t.order.amount]
        if truth := self._one(which, left):
            self.bank.refund(truth, max(1, (truth.order.amount - truth.refunded) // share))
            if heard and truth.order not in self.detached:
                self.do(self._together([self._inquire(truth.order)]))

    @rule(which=PICK)
    def void(self, which: int) -> None:
        fresh = [t for t in self.bank.attempts if t.state in ("paid", "authorized") and not t.voided and not t.refunded]
        if truth := self._one(which, fresh):
            self.bank.void(truth)

    @rule(user=PICK, times=st.integers(1, 4), settled=st.integers(0, 4))
    def spend(self, user: int, times: int, settled: int) -> None:
        """Generations are submitted and begun, each holding a credit; some of all that run are settled."""
        owner = self.users[user % len(self.users)]
        for _ in range(times):
            row = self.do(self.accounts.submit(owner))
            if row["outcome"] == "queued":
                self.do(self.accounts.start(row["id"]))
                self.running.append((row["id"], 1))
        for _ in range(min(settled, len(self.running))):
            self.do(self.accounts.settle(*self.running.pop(0)))

    @rule(
        user=PICK, pack=st.sampled_from([9001, 9002]), times=st.integers(1, 5), settled=st.integers(0, 5), share=SHARE
    )
    def regret(self, user: int, pack: int, times: int, settled: int, share: int) -> None:
        """Bought, spent in part and given back, all of which is heard of at once."""
        self.order(user, {"pack": pack}, stored=True)
        self.pay(-1, "paid", heard=True)
        self.spend(user, times, settled)
        truth = self.bank.attempts[-1]
        self.bank.refund(truth, max(1, truth.order.amount // share))
        self.do(self._together([self._inquire(truth.order)]))

    # What reaches us

    @precondition(lambda self: self.bank.callbacks)
    @rule(
        callbacks=st.lists(st.tuples(PICK, st.sampled_from([1, 1, 5])), max_size=6),
        inquiries=st.lists(PICK, max_size=2),
        forged=st.lists(st.tuples(PICK, st.sampled_from(FORGERIES)), max_size=1),
        settles=st.booleans(),
        seed=PICK,
    )
    def at_once(
        self,
        *,
        callbacks: Sequence[tuple[int, int]],
        inquiries: Sequence[int],
        forged: Sequence[tuple[int, Transaction]],
        settles: bool,
        seed: int,
    ) -> None:
        """Any callbacks that there ever were, in any order and number, beside inquiries and a generation's end."""
        work: list[Coroutine[Any, Any, Any]] = []
        for which, copies in callbacks:
            place = which % len(self.bank.callbacks)
            work += [self._hear(self.bank.callbacks[place], self._key(place)) for _ in range(copies)]
        for which, change in forged:
            forgery = self.bank.callbacks[which % len(self.bank.callbacks)] | change
            if not forgery["has_parent_transaction"]:
                work.append(self._refused(forgery))
        for which in inquiries:
            if order := self._one(which, [order for order in self.made if order not in self.detached]):
                work.append(self._inquire(order))
        if settles and self.running:
            work.append(self.accounts.settle(*self.running.pop()))
        random.Random(seed).shuffle(work)
        self.do(self._together(work))

    async def _together(self, work: Sequence[Coroutine[Any, Any, Any]]) -> None:
        await asyncio.gather(*work)
        await self._check()

    async def _hear(self, transaction: Transaction, key: str) -> None:
        event = await self.orders.record({"type": "TRANSACTION", "obj": transaction}, key=key)
        await self.orders.apply(event)

    def _key(self, place: int) -> str:
        """Copies of a callback are known by it."""
        return self.keys.setdefault(place % len(self.bank.callbacks), uuid4().hex)

    async def _refused(self, forgery: Transaction) -> None:
        outcome = await self.orders.hear(forgery)
        assert outcome == "waiting" or outcome.startswith("refused:"), outcome

    async def _inquire(self, order: Order) -> None:
        await self.orders.inquire(order, *(truth.obj() for truth in self.bank.of(order)))

    @staticmethod
    def _one(which: int, among: Sequence[Any]) -> Any:
        return among[which % len(among)] if among else None

    # What must be so

    async def _check(self) -> None:
        assert set(await self.accounts.violations()) <= self.before
        for row in await self.database.fetch(BOOKS, self.users):
            assert row["credits"] >= row["held"]
            assert row["credit_debt"] == row["owed"] - row["repaid"]
        bought = await self._credits_bought()
        for order in self.made:
            most = sum(order.credits for truth in self.bank.of(order) if truth.paid)
            assert 0 <= bought[order.id] <= most, "granted what nobody paid for"

    async def _credits_bought(self) -> dict[UUID, int]:
        """Of each order: granted less clawed back less recorded as debt."""
        return {row[0]: row[1] for row in await self.database.fetch(BOUGHT, self.users)}

    def teardown(self) -> None:
        if self.users:
            self.do(self._settle_accounts())

    async def _settle_accounts(self) -> None:
        """Everything is heard of or inquired about, twice: the second time nothing moves any more."""
        for order in self.detached:
            await self.orders.attach(order.id, order.number)
        counts = []
        for _ in range(2):
            await asyncio.gather(*(self._inquire(order) for order in self.made))
            await asyncio.gather(*(self._hear(callback, uuid4().hex) for callback in self.bank.callbacks))
            counts.append(tuple(await self.database.fetchrow(MOVED, self.users) or ()))
        assert counts[0] == counts[1]
        await self._check()
        bought = await self._credits_bought()
        assert bought == {order.id: sum(self._bought(order)) for order in self.made}

    def _bought(self, order: Order) -> list[int]:
        truths: list[Truth] = self.bank.of(order)
        return [truth.bought for truth in truths]

"""The machine: draws calls, makes them alone or two at once, and compares the database with the model.

Two calls at once must answer, and leave the database, as one of their two orders would.
"""

import asyncio
import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, combinations
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from schemas.database import Database
from tests.integration.sql.ledger import calls as c
from tests.integration.sql.ledger.model import Model, User
from tests.integration.sql.ledger.world import World

USERS = st.integers(0, 1)
WORKERS = st.integers(0, 1)
# Which generation: so many back of those that the call can do something to; from FROM_ALL on, of all that there were.
FROM_ALL = 6
TARGET = st.sampled_from([0, 1, 0, 2, 1, 6, 0, 7, 9])
# How many attempts ago.
BEHIND = st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2])
SELDOM = st.sampled_from([False, False, False, True])
MOSTLY = st.sampled_from([True, True, True, False])

SUBMIT = st.builds(c.Submit, USERS, st.integers(1, 3))
START = st.builds(c.Start, TARGET, WORKERS)
SETTLE = st.builds(c.Settle, TARGET, BEHIND)
FAIL = st.builds(c.Fail, TARGET, BEHIND)
DEFER = st.builds(c.Defer, TARGET, BEHIND, st.booleans())
ENDING = st.one_of(SETTLE, FAIL, SETTLE, DEFER)
# What users and workers do comes up more often than what changes around them.
WORK = st.one_of(
    SUBMIT,
    START,
    SETTLE,
    FAIL,
    DEFER,
    st.builds(c.Cancel, TARGET, SELDOM),
    st.builds(c.Delete, TARGET, SELDOM),
    st.builds(c.Retry, TARGET),
)
UPKEEP = st.one_of(
    st.builds(c.Age, TARGET),
    st.just(c.Expire()),
    st.just(c.Sweep()),
    st.just(c.Remove()),
    st.just(c.Purge()),
    st.builds(c.Beat, WORKERS, st.booleans()),
    st.builds(c.MoveAnchor, USERS, st.sampled_from([0, 3, 6, 50])),
    st.builds(c.ChangePlan, USERS, st.booleans(), SELDOM),
    st.builds(c.ChangeTool, st.sampled_from([0, 1, 1, 3]), st.integers(1, 2), MOSTLY),
    st.builds(c.ReplacePhoto, USERS),
    st.builds(c.Owe, USERS, st.integers(1, 12)),
)
ANY = st.one_of(SUBMIT, START, SETTLE, WORK, WORK, UPKEEP)

SUITED: dict[type, tuple[str, ...]] = {
    c.Start: ("queued", "processing"),
    c.Settle: ("processing",),
    c.Fail: ("processing",),
    c.Defer: ("processing",),
    c.Cancel: ("queued",),
    c.Age: ("queued",),
    c.Delete: ("succeeded", "failed", "canceled"),
    c.Retry: ("failed",),
}


def orders(calls: Sequence[c.Call], model: Model) -> Iterator[tuple[list[str | None], Model]]:
    """Each way in which calls made at once may have come out: their answers, in the order given, and what then is."""
    for order in {tuple(range(len(calls))), tuple(reversed(range(len(calls))))}:
        ways: list[tuple[dict[int, str | None], Model]] = [({}, model)]
        for number in order:
            ways = [
                (answers | {number: after.apply(variant)}, after)
                for answers, before in ways
                for variant in variants(calls[number], before, alone=len(calls) == 1)
                for after in [copy.deepcopy(before)]
            ]
        for answers, after in ways:
            yield [answers[number] for number in range(len(calls))], after


def variants(call: c.Call, model: Model, *, alone: bool) -> Iterator[c.Call]:
    """Expiry leaves out what is busy; everything else waits its turn."""
    if alone or not isinstance(call, c.Expire):
        yield call
        return
    old = model.too_old()
    for spared in chain.from_iterable(combinations(old, size) for size in range(len(old) + 1)):
        yield c.Expire(frozenset(spared))


class LedgerMachine(RuleBasedStateMachine):
    """`loop` and `database` are the test's; the pool was made on the loop, which runs only within a step."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    database: ClassVar[Database]

    def __init__(self) -> None:
        super().__init__()
        self.world = self.loop.run_until_complete(World.made(self.database))
        self.model = Model([User(etag=0), User(etag=0)])
        self.fences: dict[int, int] = {}
        self.numbers = 0

    @rule(call=ANY)
    def alone(self, call: c.Call) -> None:
        self.step(self.placed(call))

    @rule(first=ANY, second=ANY, meeting=st.booleans())
    def at_once(self, first: c.Call, second: c.Call, meeting: bool) -> None:
        earlier = self.placed(first)
        self.step(earlier, self.placed(second, self.about(earlier) if meeting else None))

    @rule(start=START, ending=ENDING, other=ANY, meeting=st.booleans())
    def attempt(self, start: c.Call, ending: c.Call, other: c.Call, meeting: bool) -> None:
        """Begun, and ended while something else happens."""
        begun = self.placed(start)
        self.step(begun)
        generation = self.about(begun)
        self.step(self.placed(ending, generation), self.placed(other, generation if meeting else None))

    @rule(call=WORK)
    def twice(self, call: c.Call) -> None:
        """A client or a worker that repeats itself, having had no answer."""
        self.step(*[self.placed(call)] * 2)

    def step(self, *wanted: c.Call | None) -> None:
        if calls := [call for call in wanted if call is not None]:
            self.loop.run_until_complete(self.check(calls))

    @staticmethod
    def about(call: c.Call | None) -> int | None:
        return call.generation if isinstance(call, c.OnGeneration) else None

    def placed(self, call: c.Call, generation: int | None = None) -> c.Call | None:
        """The call about a generation that there is, the one given or one that it can do something to; or none."""
        if isinstance(call, c.Submit):
            self.numbers += 1
            return replace(call, generation=self.numbers)
        if isinstance(call, c.ReplacePhoto):
            self.numbers += 1
            return replace(call, etag=self.numbers)
        if not isinstance(call, c.OnGeneration):
            return call
        if generation is None:
            suited = [n for n, g in sorted(self.model.generations.items()) if g.status in SUITED[type(call)]]
            among = suited if call.generation < FROM_ALL else sorted(self.world.ids)
            if not among:
                return None
            generation = among[-1 - call.generation % FROM_ALL % len(among)]
        if isinstance(call, c.Settle | c.Fail | c.Defer):
            return replace(call, generation=generation, fence=self.fences.get(generation, 0) - call.behind)
        return replace(call, generation=generation)

    async def check(self, calls: Sequence[c.Call]) -> None:
        """Make the calls; the model becomes what they may have made of it."""
        answers = await self.world.run(calls)
        found = (answers, await self.world.observed())
        possible = [(expected, after.state(), after) for expected, after in orders(calls, self.model)]
        matching = [after for expected, state, after in possible if (expected, state) == found]
        assert matching, f"{calls} came out as {found}, but should as one of {[way[:2] for way in possible]}"
        self.model = matching[0]
        self.fences |= {number: generation.fence for number, generation in self.model.generations.items()}
        assert await self.world.broken() == {}

    def teardown(self) -> None:
        assert self.loop.run_until_complete(self.world.orphans()) == set()

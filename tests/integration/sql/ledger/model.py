"""The reference: what each call answers and changes, said once more in plain Python, one call after the other."""

from dataclasses import dataclass, field
from typing import Any

from tests.integration.sql.ledger.calls import (
    Age,
    Beat,
    Call,
    Cancel,
    ChangePlan,
    ChangeTool,
    Defer,
    Delete,
    Expire,
    Fail,
    MoveAnchor,
    Owe,
    Purge,
    Remove,
    ReplacePhoto,
    Retry,
    Settle,
    Start,
    Submit,
    Sweep,
)

MAX_TRIES = 3
OPEN = ("queued", "processing")
Key = tuple[int, int, int, int]


@dataclass(frozen=True)
class Plan:
    monthly: int
    daily: int
    in_flight: int


FREE = Plan(10, 5, 2)
PAID = Plan(20, 12, 4)


@dataclass
class User:
    etag: int
    """Which photo is under the user's path."""
    plan: Plan = FREE
    balance: int = 10
    debt: int = 0
    spent: int = 0
    """Captured today."""
    days: int = 0
    """Since the anchor of the periods; each value here is a period of its own."""
    granted: set[int] = field(default_factory=lambda: {0})


@dataclass
class Generation:
    user: int
    key: Key
    cost: int
    status: str = "queued"
    fence: int = 0
    tries: int = 0
    endings: int = 0
    finished: int = 0
    """When it ended: a higher number is later."""
    worker: int = -1
    old: bool = False


@dataclass
class Model:
    users: list[User]
    generations: dict[int, Generation] = field(default_factory=dict)
    cache: dict[Key, int] = field(default_factory=dict)
    alive: set[int] = field(default_factory=set)
    tool: ChangeTool = field(default_factory=lambda: ChangeTool(1, 1, active=True))
    notifications: list[int] = field(default_factory=lambda: [0, 0])
    endings: int = 0

    def state(self) -> tuple[Any, Any, Any]:
        """What can be seen of it: users, generations, which of them are cached."""
        users = [
            (user.balance, user.debt, self.held(number), self.notifications[number], len(user.granted))
            for number, user in enumerate(self.users)
        ]
        generations = {n: (g.status, g.fence, g.tries, g.endings, g.cost) for n, g in self.generations.items()}
        return users, generations, set(self.cache.values())

    def held(self, user: int) -> int:
        return sum(g.cost for g in self.generations.values() if g.user == user and g.status in OPEN)

    def apply(self, call: Call) -> str | None:  # noqa: C901, PLR0911, PLR0912 - one line a call
        """Carry out a call; answers what the function answers."""
        match call:
            case Submit():
                return self._submit(call)
            case Start():
                return self._start(call)
            case Settle() | Fail() | Defer():
                return self._end_attempt(call)
            case Cancel():
                return self._cancel(call)
            case Delete():
                return self._delete(call)
            case Retry():
                return self._retry(call)
            case Age():
                if (aged := self.generations.get(call.generation)) and aged.status == "queued":
                    aged.old = True
            case Expire():
                for number in self.too_old() - call.spared:
                    self._finish(self.generations[number], "failed")
            case Purge():
                self.cache.clear()
            case Beat():
                self.alive = self.alive | {call.worker} if call.alive else self.alive - {call.worker}
            case MoveAnchor():
                self.users[call.user].days = call.days
            case ChangePlan():
                self.users[call.user].plan = PAID if call.paid and not call.lapsed else FREE
            case ChangeTool():
                self.tool = call
            case ReplacePhoto():
                self.users[call.user].etag = call.etag
            case Owe():
                self.users[call.user].debt += call.credits
            case Sweep() | Remove():
                pass
        return None

    def too_old(self) -> frozenset[int]:
        return frozenset(n for n, g in self.generations.items() if g.status == "queued" and g.old)

    def _grant(self, user: User) -> None:
        """What everybody gets who acts in a period for the first time."""
        if user.days not in user.granted:
            user.granted.add(user.days)
            paid = min(user.debt, user.plan.monthly)
            user.debt -= paid
            user.balance += user.plan.monthly - paid

    def _submit(self, call: Submit) -> str:  # noqa: PLR0911 - one outcome each
        if not self.tool.active:
            return "tool_unavailable"
        user, cost = self.users[call.user], self.tool.cost
        self._grant(user)
        key = (call.user, user.etag, call.age, self.tool.version)
        if key in self.cache:
            return f"cached {self.cache[key]}"
        for number, other in self.generations.items():
            if other.key == key and other.status in OPEN:
                return f"in_flight {number}"
        held = self.held(call.user)
        if user.spent + held + cost > user.plan.daily:
            return "daily_limit"
        if sum(g.user == call.user and g.status in OPEN for g in self.generations.values()) >= user.plan.in_flight:
            return "too_many_in_flight"
        if user.balance - held < cost:
            return "insufficient_credits"
        self.generations[call.generation] = Generation(call.user, key, cost)
        return f"queued {call.generation}"

    def _start(self, call: Start) -> str:
        g = self.generations.get(call.generation)
        if g is None or g.status not in OPEN:
            return "nothing"
        if g.status == "processing" and g.worker != call.worker and g.worker in self.alive:
            return "nothing"
        if g.tries >= MAX_TRIES:
            self._finish(g, "failed")
            return "nothing"
        g.status, g.worker = "processing", call.worker
        g.fence += 1
        g.tries += 1
        return f"started {g.fence} {g.tries}"

    def _end_attempt(self, call: Settle | Fail | Defer) -> str:  # noqa: PLR0911 - one answer each
        g = self.generations.get(call.generation)
        if g is None or g.fence != call.fence:
            return "stale"
        if isinstance(call, Settle) and g.status == "succeeded":
            return "already_settled"
        if isinstance(call, Fail) and g.status == "failed":
            return "already_failed"
        if g.status != "processing":
            return "stale"
        if isinstance(call, Defer):
            g.status = "queued"
            g.tries -= not call.counts
            return "deferred"
        if isinstance(call, Fail):
            self._finish(g, "failed")
            return "failed"
        self._finish(g, "succeeded")
        self.users[g.user].balance -= g.cost
        self.users[g.user].spent += g.cost
        self.cache[g.key] = call.generation
        return "settled"

    def _finish(self, g: Generation, status: str) -> None:
        self.endings += 1
        g.status, g.finished = status, self.endings
        g.endings += 1
        self.notifications[g.user] += 1

    def _cancel(self, call: Cancel) -> str:
        g = self.generations.get(call.generation)
        if g is None or call.stranger:
            return "not_found"
        if g.status != "queued":
            return "not_cancelable"
        self._finish(g, "canceled")
        return "canceled"

    def _delete(self, call: Delete) -> str:
        g = self.generations.get(call.generation)
        if g is None or call.stranger:
            return "not_found"
        if g.status in OPEN:
            return "not_finished"
        if self.cache.get(g.key) == call.generation:
            del self.cache[g.key]
        del self.generations[call.generation]
        return "deleted"

    def _retry(self, call: Retry) -> str:
        g = self.generations.get(call.generation)
        if g is None:
            return "not_found"
        user = self.users[g.user]
        self._grant(user)
        if g.status != "failed":
            return "not_failed"
        for other in self.generations.values():
            later = other.status in OPEN or (other.status == "succeeded" and other.finished > g.finished)
            if other is not g and other.key == g.key and later:
                return "superseded"
        if g.key[1] != user.etag:
            return "source_gone"
        if user.balance - self.held(g.user) < g.cost:
            return "insufficient_credits"
        g.status, g.tries, g.old = "queued", 0, False
        return "queued"

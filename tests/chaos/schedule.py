"""What happens when, and to whom: all of it drawn from the seed before anything runs.

Every actor draws from a generator of its own, so that adding an actor, or a step to one, changes no other's steps. What
depends on the moment (which of the open generations is cancelled) is left open as `choice`, a number from 0 to 1.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.chaos.menu import GEMINI_RULES, LIVES, REQUESTS, STORAGE_FAULTS, USER_ACTIONS

USERS: Final = 8
WORKERS: Final = 3


@dataclass(frozen=True, slots=True)
class Step:
    """`actor` does `action` at `at` seconds after the start; `detail` is what was drawn for it."""

    at: float
    actor: str
    action: str
    detail: Mapping[str, Any]


def plan(seed: int, seconds: float) -> list[Step]:
    """The whole schedule in the order of its times. Equal for equal arguments; a longer one begins like a shorter."""
    actors = {
        **{f"user-{number}": _user for number in range(USERS)},
        **{f"worker-{number}": _worker for number in range(WORKERS)},
        "operator": _operator,
        "redis": _redis,
        "postgres": _postgres,
        "storage": _storage,
        "gemini": _gemini,
        "wire": _wire,
    }
    steps: list[Step] = []
    for actor, drawn in actors.items():
        for at, action, detail in drawn(random.Random(f"{seed}/{actor}")):
            if at > seconds:
                break
            steps.append(Step(round(at, 3), actor, action, detail))
    return sorted(steps, key=lambda step: (step.at, step.actor))


Drawn = Iterator[tuple[float, str, dict[str, Any]]]


def _user(rng: random.Random) -> Drawn:
    at = rng.uniform(0, 2)
    while True:
        (action,) = rng.choices(list(USER_ACTIONS), list(USER_ACTIONS.values()))
        tool, parameters = rng.choice(REQUESTS)
        detail = {"choice": rng.random(), "tool": tool, "parameters": parameters, "wait": rng.random() < 0.2}
        yield at, action, detail
        at += rng.expovariate(1 / 1.6)


def _worker(rng: random.Random) -> Drawn:
    """One life after another: each starts, may freeze, and ends by a signal or at a crash point."""
    at = rng.uniform(0, 1)
    while True:
        ending, point = rng.choice(LIVES)
        yield at, "start", {"point": point}
        length = rng.uniform(7, 18)
        if rng.random() < 0.4:
            frozen = rng.uniform(2.5, 5)  # longer than a lease
            yield at + length / 2, "freeze", {"seconds": frozen}
            length += frozen
        at += length
        yield at, ending, {}
        at += rng.uniform(0.2, 2)


def _operator(rng: random.Random) -> Drawn:
    at = 0.0
    while True:
        at += rng.expovariate(1 / 2)
        yield at, "retry", {"choice": rng.random()}


def _redis(rng: random.Random) -> Drawn:
    at = 0.0
    while True:
        at += rng.uniform(5, 14)
        yield at, rng.choice(["flush", "restart", "rubbish", "rubbish"]), {"choice": rng.random()}


def _postgres(rng: random.Random) -> Drawn:
    at = 0.0
    while True:
        at += rng.uniform(18, 40)
        yield at, rng.choice(["restart", "crash"]), {}


def _storage(rng: random.Random) -> Drawn:
    at = 0.0
    while True:
        at += rng.expovariate(1 / 1.5)
        yield at, "fail", {**rng.choice(STORAGE_FAULTS), "times": rng.randint(1, 2)}


def _gemini(rng: random.Random) -> Drawn:
    at = 0.0
    while True:
        at += rng.expovariate(1 / 1.2)
        yield at, "misbehave", {**rng.choice(GEMINI_RULES), "times": rng.randint(1, 2)}


def _wire(rng: random.Random) -> Drawn:
    """The connection to Postgres ends before or after a settle, or another worker's settle overtakes it."""
    at = 0.0
    while True:
        at += rng.uniform(1.5, 5)
        yield at, rng.choice(["cut_before", "cut_after", "cut_after", "overtake", "overtake", "cut_all"]), {}

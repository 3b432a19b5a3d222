"""One simulation: users and faults by the schedule, gates while it runs, rest, and all gates."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import groupby
from operator import attrgetter

import httpx
from redis.exceptions import RedisError

from tests.chaos.calm import come_to_rest
from tests.chaos.faults import Faults
from tests.chaos.gates import Violation, at_any_time, at_rest
from tests.chaos.sabotage import sabotage
from tests.chaos.schedule import USERS, WORKERS, Step, plan
from tests.chaos.users import User
from tests.chaos.world import World

LOOK_SECONDS = 1.0
WORKER_NAMES = [f"worker-{number}" for number in range(WORKERS)]


async def simulate(world: World, seed: int, seconds: float, broken: str | None) -> list[Violation]:
    """What was violated, nothing if all is well. Ends early at the first violation seen while it runs."""
    # Caps of a day would end the run of a busy minute.
    await world.accounts.database.execute("update public.plans set daily_credits = 1000000")
    if broken:
        await sabotage(world, broken)
    people = [await User.sign_up(world, number) for number in range(USERS)]
    by_actor = attrgetter("actor")
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        acting = [
            group.create_task(_act(began, list(steps), _performer(world, people, actor)))
            for actor, steps in groupby(sorted(plan(seed, seconds), key=by_actor), by_actor)
        ]
        found = await _watch(world, acting)
        for task in acting:
            task.cancel()
    if found:
        return found
    await come_to_rest(world, WORKER_NAMES)
    return await at_rest(world)


Perform = Callable[[Step], Awaitable[None]]


def _performer(world: World, people: list[User], actor: str) -> Perform:
    faults = Faults(world)
    kind, _, number = actor.partition("-")

    async def perform(step: Step) -> None:
        match kind:
            case "user":
                await people[int(number)].act(step.action, step.detail)
            case "worker":
                await faults.worker(actor, step.action, step.detail)
            case "redis":
                await faults.redis(step.action, step.detail)
            case "postgres":
                await faults.postgres(step.action)
            case "wire":
                await faults.wire(step.action)
            case "storage" | "gemini" | "operator":
                await getattr(faults, kind)(step.detail)
        if kind != "user":
            world.counts[f"{kind}: {step.action}"] += 1

    return perform


async def _act(began: float, steps: list[Step], perform: Perform) -> None:
    """One actor: each step at its time, or as soon as the one before is over."""
    for step in steps:
        await asyncio.sleep(max(0.0, began + step.at - time.monotonic()))
        try:
            await perform(step)
        except (RedisError, OSError, httpx.TransportError):  # broken by another actor just now
            continue


async def _watch(world: World, acting: "list[asyncio.Task[None]]") -> list[Violation]:
    """Until a gate is violated or all have done what they had to."""
    while True:
        if found := await at_any_time(world):
            return found
        if not (await asyncio.wait(acting, timeout=LOOK_SECONDS))[1]:
            return []

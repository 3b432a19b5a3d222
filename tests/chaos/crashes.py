"""A worker killed at one named point, again and again: another one takes over, in time, and nothing happens twice."""

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import format_tb
from typing import Any, Final
from uuid import UUID

from arq.constants import default_queue_name

from schemas.queue import IDLE_SUFFIX
from tests.chaos.fleet import QUICK
from tests.chaos.gates import Violation, at_rest, queue_leftovers
from tests.chaos.users import PLANS, User
from tests.chaos.world import World, open_world
from worker.checkpoints import POINTS, Point

PATIENCE_SECONDS: Final = 60.0
PROMISED_SECONDS: Final = 12.0
# Production's leases, so that the time to a re-run is the one that was promised.
LEASES: Final = QUICK | {"WORKER_LEASE_SECONDS": "10", "WORKER_RENEW_SECONDS": "3"}
ENTERPRISE_USER: Final = PLANS.index(4)
KINDS: Final[dict[str, tuple[str, dict[str, Any]]]] = {"picture": ("age", {"age": 60}), "analysis": ("analysis", {})}
WORLDS_AT_ONCE: Final = 4  # they mostly wait for leases to end
SURVIVOR: Final = "worker-survivor"
VICTIM: Final = "worker-victim"
OFFERS: Final = f"{default_queue_name}{IDLE_SUFFIX}:offer:"


@dataclass(frozen=True)
class Death:
    """What one death led to. `takeover_seconds` is None where nothing was left to run again."""

    point: Point
    generation: UUID
    status: str
    takeover_seconds: float | None
    gemini_calls: int

    def violations(self) -> list[Violation]:
        """What is wrong with it, beyond what the gates see."""
        found, about = [], f"{self.point}, {self.generation}"
        if self.status != "succeeded":
            found.append(Violation("the generation succeeds", f"{about}: {self.status}"))
        if self.takeover_seconds is not None and self.takeover_seconds > PROMISED_SECONDS:
            after = f"{about}: after {self.takeover_seconds:.1f} s"
            found.append(Violation(f"re-run within {PROMISED_SECONDS:g} s", after))
        # The answer is lost only with a worker that dies between the answer and its upload.
        calls = 2 if self.point == "after_gemini" else 1
        if self.gemini_calls != calls:
            found.append(Violation("Gemini is asked once", f"{about}: {self.gemini_calls} times instead of {calls}"))
        return found


class Crashes:
    """Kills workers of this world, which has no other than the survivor.

    The survivor stands still until the victim is dead, so that nobody else takes what the victim is to take, and is
    there at once when it is.
    """

    def __init__(self, world: World, user: User) -> None:
        self._world = world
        self._user = user

    @classmethod
    async def prepare(cls, world: World) -> "Crashes":
        await world.accounts.database.execute("update public.plans set daily_credits = 1000000")
        crashes = cls(world, await User.sign_up(world, ENTERPRISE_USER))
        await world.fleet.start(SURVIVOR)
        await crashes._alive(SURVIVOR)
        world.fleet.freeze(SURVIVOR)
        return crashes

    async def die(self, point: Point, kind: str) -> Death:
        """Submit, let a worker die at `point`, let the other one go on and wait until all is over and cleaned up.

        `kind` is a key of `KINDS`. Raises TimeoutError where something never comes.
        """
        world, fleet = self._world, self._world.fleet
        await fleet.start(VICTIM, point)
        await self._alive(VICTIM)
        generation, photo = await self._user.ask_for(*KINDS[kind])
        await fleet.crashed(VICTIM, PATIENCE_SECONDS)
        died = time.monotonic()
        await fleet.thaw(SURVIVOR)
        fence, status = await self._state(generation)
        async with asyncio.timeout(PATIENCE_SECONDS):
            takeover = None if status == "succeeded" else await self._takeover(generation, fence, died)
            while status != "succeeded" or await queue_leftovers(world):
                await asyncio.sleep(0.02)
                _, status = await self._state(generation)
                if status == "failed":
                    break
        fleet.freeze(SURVIVOR)
        calls = (await world.http.get(f"{world.stack.gemini_url}/local/calls")).json()["calls"]
        asked = [call for call in calls if call["photo_sha256"] == photo]
        return Death(point, generation, status, takeover, len(asked))

    async def gates(self) -> list[Violation]:
        """All gates, once all work has ended."""
        return await at_rest(self._world)

    async def _state(self, generation: UUID) -> tuple[int, str]:
        row = await self._world.accounts.database.fetchrow(
            "select fence, status from public.generations where id = $1", generation
        )
        assert row is not None
        return row["fence"], row["status"]

    async def _takeover(self, generation: UUID, fence: int, died: float) -> float:
        """Seconds from the death until the generation's next attempt."""
        while (await self._state(generation))[0] == fence:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)
        return time.monotonic() - died

    async def _alive(self, name: str) -> None:
        """Until this worker waits for a job and nobody else does: the next one is for it."""

        async def waits_alone() -> bool:
            waiting = [key.decode() async for key in self._world.queue.scan_iter(f"{OFFERS}*")]
            return len(waiting) == 1 and f"-{self._world.fleet.pid(name)}-" in waiting[0]

        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await waits_alone():  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.02)


async def crash_everywhere(times: int, logs: Path, say: Callable[[str], None]) -> list[Violation]:
    """Die at each point so often, pictures and analyses by turns, in a world for each point. A world ends early at its
    first violation, and its logs go to a folder of `logs`."""
    room = asyncio.Semaphore(WORLDS_AT_ONCE)

    async def crash_at(point: Point) -> list[Violation]:
        async with room:
            return await _crash_at(point, times, logs, say)

    async with asyncio.TaskGroup() as group:
        worlds = [group.create_task(crash_at(point)) for point in POINTS]
    return [violation for world in worlds for violation in world.result()]


async def _crash_at(point: Point, times: int, logs: Path, say: Callable[[str], None]) -> list[Violation]:
    longest = 0.0
    async with open_world(LEASES) as world:
        crashes = await Crashes.prepare(world)
        for number in range(times):
            try:
                death = await crashes.die(point, list(KINDS)[number % len(KINDS)])
                found = death.violations() + await crashes.gates()
            except TimeoutError as error:
                found = [Violation("it comes to an end", f"{point}: {''.join(format_tb(error.__traceback__))}")]
            if found:
                shutil.copytree(world.stack.logs, logs / point, dirs_exist_ok=True)
                say(f"  {point}: violated at death {number + 1}")
                return found
            longest = max(longest, death.takeover_seconds or 0)
    say(f"  {point}: {times} deaths, longest takeover {longest:.1f} s")
    return []

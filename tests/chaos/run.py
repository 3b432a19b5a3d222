"""`make chaos`: the crash simulator. Exits 0 when all gates hold, 1 when one is violated."""

import argparse
import asyncio
import secrets
import shutil
import sys
import time
from pathlib import Path

from tests.chaos.crashes import crash_everywhere
from tests.chaos.report import verdict, what_happened
from tests.chaos.sabotage import BREAKS
from tests.chaos.simulate import simulate
from tests.chaos.world import open_world

LOGS = Path(__file__).parents[2] / ".local" / "chaos"


def main() -> None:
    """Read the command line, run, exit."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="the schedule to run; drawn when not given")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long things fail")
    parser.add_argument("--break", dest="broken", choices=BREAKS, help="take this guarantee out first: must be caught")
    parser.add_argument("--crashes", type=int, help="instead: kill a worker at each named point so many times")
    given = parser.parse_args()
    if given.crashes:
        sys.exit(asyncio.run(_crash(given.crashes)))
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    sys.exit(asyncio.run(_run(seed, given.minutes, given.broken)))


async def _crash(times: int) -> int:
    command = f"make chaos CRASHES={times}"
    _say(f"chaos: {command}")
    violations = await crash_everywhere(times, LOGS / "crashes", _say)
    _say(verdict(violations, command, str(LOGS / "crashes")))
    return 1 if violations else 0


async def _run(seed: int, minutes: float, broken: str | None) -> int:
    command = f"make chaos SEED={seed} MINUTES={minutes:g}" + (f" BREAK={broken}" if broken else "")
    _say(f"chaos: {command}")
    async with open_world() as world:
        began = time.monotonic()
        violations = await simulate(world, seed, minutes * 60, broken)
        _say(await what_happened(world))
        _say(f"  seed {seed}, {time.monotonic() - began:.0f} s")
        if violations:
            shutil.copytree(world.stack.logs, LOGS / str(seed), dirs_exist_ok=True)
        _say(verdict(violations, command, str(LOGS / str(seed))))
        return 1 if violations else 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()

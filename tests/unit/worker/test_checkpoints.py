"""The crash hook kills at the named instant only, and cannot be set to a name that means nothing."""

import asyncio
import signal
import sys

import pytest

from worker.checkpoints import DELETION_POINTS, POINTS, Point, kill_at

DIE = "import asyncio, sys; from worker.checkpoints import kill_at; asyncio.run(kill_at(sys.argv[1])(sys.argv[1]))"


@pytest.mark.parametrize("point", POINTS + DELETION_POINTS)
async def test_the_process_is_gone_at_the_fatal_point(point: Point) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", DIE, point)
    assert await process.wait() == -signal.SIGKILL


async def test_every_other_point_is_passed() -> None:
    hook = kill_at("after_gemini")
    for point in POINTS:
        if point != "after_gemini":
            await hook(point)


def test_an_unknown_point_is_refused() -> None:
    with pytest.raises(ValueError, match="no such point"):
        kill_at("after_lunch")

"""Named instants of an attempt, so that tests can kill, freeze or overtake a worker exactly there."""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final, Literal

Point = Literal["after_start", "after_download", "after_gemini", "after_upload", "before_settle", "after_settle"]
Checkpoint = Callable[[Point], Awaitable[None]]

POINTS: Final[tuple[Point, ...]] = (
    "after_start",
    "after_download",
    "after_gemini",
    "after_upload",
    "before_settle",
    "after_settle",
)


async def pass_through(_: Point) -> None:
    """Production: nothing happens."""


def kill_at(fatal: str) -> Checkpoint:
    """A hook that kills this process, as abruptly as a machine that loses power, when it gets to `fatal`."""
    if fatal not in POINTS:
        raise ValueError(f"no such point: {fatal}")

    async def hook(point: Point) -> None:
        if point == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook

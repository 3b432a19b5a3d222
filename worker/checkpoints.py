"""Named instants of a job and of an account's deletion, so that tests can kill, freeze or overtake a worker there."""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final, Literal

Point = Literal[
    "after_claim",
    "after_start",
    "after_download",
    "after_gemini",
    "after_upload",
    "before_settle",
    "after_settle",
    "before_finish",
    "after_deletion_work",
    "after_deletion_files",
    "after_deletion_rows",
    "after_deletion_person",
]
Checkpoint = Callable[[Point], Awaitable[None]]

ATTEMPT_POINTS: Final[tuple[Point, ...]] = (
    "after_start",
    "after_download",
    "after_gemini",
    "after_upload",
    "before_settle",
    "after_settle",
)
"""Those inside the pipeline; the other two are the queue's."""
POINTS: Final[tuple[Point, ...]] = ("after_claim", *ATTEMPT_POINTS, "before_finish")
DELETION_POINTS: Final[tuple[Point, ...]] = (
    "after_deletion_work",
    "after_deletion_files",
    "after_deletion_rows",
    "after_deletion_person",
)
"""Those of an account's deletion, after each of its steps."""


async def pass_through(_: Point) -> None:
    """Production: nothing happens."""


def checkpoint(fatal: str | None) -> Checkpoint:
    """The hook for `WORKER_CRASH_POINT`. Raises ValueError for a point that does not exist."""
    return pass_through if fatal is None else kill_at(fatal)


def kill_at(fatal: str) -> Checkpoint:
    """A hook that kills this process, as abruptly as a machine that loses power, when it gets to `fatal`."""
    if fatal not in POINTS + DELETION_POINTS:
        raise ValueError(f"no such point: {fatal}")

    async def hook(point: Point) -> None:
        if point == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook

"""Waiting for processes that are not our children."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether it runs. One that has ended and waits for its parent to notice does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:  # gone meanwhile, or no /proc
        return not stat.parent.parent.exists()


async def until_gone(pids: Iterable[int], seconds: float = 30) -> None:
    """Raises TimeoutError when one of them still runs."""
    async with asyncio.timeout(seconds):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110 - somebody else's children announce nothing
            await asyncio.sleep(0.02)

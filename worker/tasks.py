"""Ending background tasks for good."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel until all of them have ended.

    Once is not enough: Python 3.11's `asyncio.wait_for`, which redis-py calls for every command, drops a
    cancellation that arrives together with the answer. What a task raises stays in the task.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.1)

"""Steps with their times, on the screen while they run and in `demo.json` afterwards."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import click

TICK_SECONDS = 0.1
FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@dataclass
class Step:
    """One step while it runs; `note` is what it says of itself once it is done."""

    name: str
    note: str = ""


@dataclass
class Steps:
    """All steps so far, with milliseconds each."""

    done: list[dict[str, object]] = field(default_factory=list)

    @asynccontextmanager
    async def step(self, name: str, title: str) -> AsyncIterator[Step]:
        """Time what happens inside; on a terminal, show a moving line meanwhile."""
        step = Step(name)
        started = time.perf_counter()
        progress = asyncio.create_task(_progress(title, started)) if sys.stdout.isatty() else None
        try:
            yield step
        finally:
            if progress is not None:
                progress.cancel()
                with suppress(asyncio.CancelledError):
                    await progress
        elapsed_ms = (time.perf_counter() - started) * 1000
        self.done.append({"name": name, "ms": round(elapsed_ms, 1)})
        click.echo(f"  {click.style('✓', fg='green')} {title:<52}{elapsed_ms:>8.0f} ms   {step.note}".rstrip())


async def _progress(title: str, started: float) -> None:
    frame = 0
    try:
        while True:
            seconds = time.perf_counter() - started
            click.echo(f"\r  {FRAMES[frame % len(FRAMES)]} {title:<52}{seconds:>6.1f} s", nl=False)
            frame += 1
            await asyncio.sleep(TICK_SECONDS)
    finally:
        click.echo("\r" + " " * 72 + "\r", nl=False)

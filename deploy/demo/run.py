"""Run the demo on the stack that `make up` keeps running, or on one of its own that ends with it."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import httpx
import orjson
from supabase import AsyncClientOptions, acreate_client

from deploy.demo.journey import Backend, run_journey
from deploy.demo.steps import Steps
from deploy.local.portrait import jpeg, portrait
from deploy.local.stack import Stack, StackBusy

CALL_SECONDS = 30.0


def run_demo(directory: Path) -> int:
    """Print each step with its time, leave the pictures and `demo.json` in `<directory>/demo`. 0 when all went well."""
    if os.environ.get("SUPABASE_URL"):
        click.echo("sparky demo: reads the sign-up mail from the local outbox; unset SUPABASE_URL", err=True)
        return 2
    return asyncio.run(_demo(directory))


async def _demo(directory: Path) -> int:
    started = time.perf_counter()
    folder = directory / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.iterdir():
        stale.unlink()
    steps = Steps()
    click.echo("Sparky's main job, end to end\n")
    try:
        async with _addresses(directory, steps) as addresses:
            async with steps.step("draw", "Draw a portrait"):
                picture = await asyncio.to_thread(lambda: jpeg(portrait()))
            (folder / "before.jpg").write_bytes(picture)
            options = AsyncClientOptions(auto_refresh_token=False, storage_client_timeout=int(CALL_SECONDS))
            supabase = await acreate_client(addresses["supabase_url"], addresses["publishable_key"], options)
            intake = httpx.AsyncClient(base_url=addresses["intake_url"], timeout=CALL_SECONDS, trust_env=False)
            async with intake:
                backend = Backend(supabase, addresses["supabase_url"], intake, addresses["paymob_url"])
                try:
                    outcome = await run_journey(backend, steps, picture, folder)
                finally:
                    await supabase.remove_all_channels()
                    await supabase.realtime.close()
            report = {"steps": steps.done, **outcome}
            (folder / "demo.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    except Exception as error:
        click.echo(f"\nThe demo failed: {type(error).__name__}: {error}\nLogs: {directory / 'logs'}", err=True)
        return 1
    _farewell(outcome, folder, time.perf_counter() - started)
    return 0


@asynccontextmanager
async def _addresses(directory: Path, steps: Steps) -> AsyncIterator[dict[str, Any]]:
    """Where the stack is: a running one is used as it is, one of our own is stopped at the end."""
    stack = Stack(directory, environment=os.environ)
    try:
        async with steps.step("start", "Start Postgres, Valkey, stand-ins, intake, worker"):
            await stack.start()
    except StackBusy:
        yield orjson.loads((directory / "stack.json").read_bytes())
        return
    try:
        yield stack.described()
    finally:
        await stack.stop()


def _farewell(outcome: dict[str, Any], folder: Path, seconds: float) -> None:
    balance, images = outcome["credits"], outcome["images"]
    analysis, purchase = outcome["analysis"]["result"], outcome["purchase"]
    bought = purchase and f"{purchase['credits']['before']} → {purchase['credits']['after']} credits"
    click.echo(
        f"\n  One picture for one credit: {balance['before']} → {balance['after']}."
        f" The same again cost nothing. Realtime told {len(outcome['realtime'])} events."
        f"\n  Analysis: face {analysis['faceShape']}, perceived age {analysis['perceivedAge']}."
        f"\n  Bought on the local checkout page: {bought or 'nothing, as Paymob is the real one'}."
        f"\n\n  before   {images['before']}\n  after    {images['after']}\n  report   {folder / 'demo.json'}"
        f"\n\n  Done in {seconds:.1f} s."
    )

"""`sparky up`: the stack in the foreground, and a table that says where everything is."""

import asyncio
import os
import shlex
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import asyncpg
import click
from dotenv import dotenv_values

from deploy.local.keys import KeysUnreadable
from deploy.local.migrate import MigrationFailed
from deploy.local.processes import Child, ProcessFailed
from deploy.local.services import FREE_PORTS, USUAL_PORTS, NotConfigured
from deploy.local.stack import Stack, StackBusy

EXPECTED = (
    NotConfigured,
    StackBusy,
    KeysUnreadable,
    ProcessFailed,
    MigrationFailed,
    asyncpg.PostgresError,
    OSError,
)


def run_up(services: Sequence[str], directory: Path, env_file: Path, *, free_ports: bool) -> int:
    """Run until Ctrl-C or SIGTERM: 0. A service that fails, or ends by itself, ends all: 1."""
    environment = {name: value for name, value in dotenv_values(env_file).items() if value is not None}
    environment |= os.environ
    started = time.monotonic()

    def report(line: str) -> None:
        click.echo(f"{time.monotonic() - started:6.2f} s  {line}")

    try:
        stack = Stack(
            directory, services, ports=FREE_PORTS if free_ports else USUAL_PORTS, environment=environment, report=report
        )
        return asyncio.run(_foreground(stack))
    except EXPECTED as error:
        click.echo(f"sparky up: {error}", err=True)
        return 1


async def _foreground(stack: Stack) -> int:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    serving = asyncio.create_task(_serve(stack))
    stopping = asyncio.create_task(asked.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not serving.done():
        click.echo("stopping")
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        return 0
    ended = serving.result()
    click.echo(f"{ended.name} ended with {ended.process.returncode}; its log ends:\n{ended.log_tail()}", err=True)
    return 1


async def _serve(stack: Stack) -> Child:
    async with stack:
        click.echo(table(stack))
        return await stack.until_something_ends()


def table(stack: Stack) -> str:
    """Where everything is, for a person. Secrets stay in their file, but for the password of the shell."""
    rows = [
        ("intake", f"{stack.intake_url}  (API description: /openapi.json)", "intake" in stack.services),
        ("supabase", stack.supabase_url, bool({"supabase", "intake", "worker"} & stack.services)),
        (
            "app key",
            stack.publishable_key,
            bool(stack.publishable_key and {"supabase", "intake", "worker"} & stack.services),
        ),
        ("mails", f"{stack.outbox}/", "supabase" in stack.services),
        ("gemini", stack.gemini_url or "the real one", "worker" in stack.services or "gemini" in stack.services),
        ("paymob", stack.paymob_url or "the real one", "intake" in stack.services or "paymob" in stack.services),
        ("queue", stack.redis_url, "valkey" in stack.services),
        ("database", _shell(stack), stack.postgres is not None),
        ("pooler", f"127.0.0.1:{stack.ports.pooler}, for intake and worker", stack.pooler is not None),
        ("data", str(stack.postgres.data if stack.postgres else ""), stack.postgres is not None),
        ("keys", str(stack.directory / "keys.json"), True),
        ("addresses", str(stack.directory / "stack.json"), True),
        ("logs", f"{stack.logs}/", True),
    ]
    shown = [(name, value) for name, value, there in rows if there]
    return "\n".join(["", *(f"  {name:<10} {value}" for name, value in shown), "", "  Ctrl-C stops everything.", ""])


def _shell(stack: Stack) -> str:
    """The command that opens a shell on the database."""
    if stack.postgres is None:
        return ""
    return f"{shlex.quote(str(stack.postgres.program('psql')))} {stack.database_url('postgres')}"

"""Where functions run: in the gateway of the embedded stack, and as the files of a deployment under Deno."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import httpx
import uvicorn
from starlette.applications import Starlette

from deploy.local.processes import free_port
from deploy.local.supabase.functions import FORWARDED, Functions
from tests.support.node import deno as deno_program
from tests.support.waiting import eventually

Place: TypeAlias = Mapping[str, str]
"""The address below which each function is, by its name."""

SOURCES = Path(__file__).parents[3] / "deploy" / "supabase" / "functions"
NAMES = tuple(FORWARDED)


@asynccontextmanager
async def gateway(intake_url: str) -> AsyncIterator[Place]:
    """The gateway's functions by themselves, with this intake."""
    functions, port = Functions(intake_url), free_port()
    app = Starlette(routes=functions.routes())
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None))
    async with functions:
        serving = asyncio.create_task(server.serve())
        try:
            await _answers(f"http://127.0.0.1:{port}")
            yield dict.fromkeys(NAMES, f"http://127.0.0.1:{port}/functions/v1")
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def deno(intake_url: str, log: Path) -> AsyncIterator[Place]:
    """The deployed files, each in a Deno of its own that may reach the intake only; all they say is in `log`."""
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(_deno(name, intake_url, log)) for name in NAMES}


@asynccontextmanager
async def _deno(name: str, intake_url: str, log: Path) -> AsyncIterator[str]:
    port = free_port()
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            deno_program(), "run", "--no-prompt", "--cached-only", f"--config={SOURCES / 'deno.json'}",
            f"--allow-net=127.0.0.1:{port},{intake_url.removeprefix('http://')}",
            "--allow-env=SPARKY_INTAKE_URL", str(SOURCES / name / "index.ts"),
            env={
                "DENO_SERVE_ADDRESS": f"tcp:127.0.0.1:{port}", "SPARKY_INTAKE_URL": intake_url,
                "DENO_DIR": str(log.parent / "deno"), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1",
            },
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        await _answers(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        await process.wait()


async def _answers(url: str, process: asyncio.subprocess.Process | None = None) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:

        async def answers() -> bool:
            assert process is None or process.returncode is None, "the function did not start"
            try:
                return (await client.options(url)).status_code > 0
            except httpx.TransportError:
                return False

        await eventually(answers)

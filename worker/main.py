"""What `arq worker.main.WorkerSettings` runs: the leased worker, the generation pipeline and the sweep.

Importing this module reads the environment; what is missing or wrong is said in one line and ends the process.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

import asyncpg
import structlog
import uvloop
from arq.worker import func
from pydantic import ValidationError

from schemas.logs import configure_logging
from schemas.queue import RUN_GENERATION, arq_settings, deserialize, open_queue, serialize
from schemas.settings import Settings
from worker import metrics
from worker.checkpoints import checkpoint
from worker.heartbeat import alive_for, beat, retire
from worker.leasing import Leasing, install
from worker.outage import Outage
from worker.payments import Payments
from worker.pipeline import run_generation
from worker.resources import RESOURCES, Resources, close_resources, open_resources
from worker.sweep import Sweep
from worker.tasks import end

BACKGROUND: Final = "background"
# A net above the pipeline's own deadline, which fails or defers the generation; this one only frees the slot.
TIMEOUT_MARGIN_SECONDS: Final = 30
# Attempts are counted in Postgres, where a shutdown or a rate limit does not use one up.
UNLIMITED_TRIES: Final = 2**31
CLOSE_SECONDS: Final = 5.0

DATABASE_AWAY: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
)

log = structlog.get_logger()


def read_settings() -> Settings:
    """The environment's settings. Raises SystemExit with one line that names each variable that is missing or wrong."""
    try:
        settings = Settings()
        if settings.gemini_api_key is None:
            raise SystemExit("worker: GEMINI_API_KEY is missing")
        alive_for(settings)
        checkpoint(settings.worker_crash_point)
    except ValidationError as error:
        faults = "; ".join(f"{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        raise SystemExit(f"worker: {faults}") from None
    except ValueError as error:
        raise SystemExit(f"worker: {error}") from None
    return settings


async def start(ctx: dict[Any, Any]) -> None:
    """Open what jobs need, waiting for Postgres if it is away, and begin to sweep."""
    database = Outage("database")
    while RESOURCES not in ctx:
        try:
            ctx[RESOURCES] = await open_resources(settings, ctx["worker_id"])
        except DATABASE_AWAY as error:
            database.failed(error)
            await database.pause()
    database.over()
    ctx[BACKGROUND] = [
        asyncio.create_task(Sweep(ctx[RESOURCES], ctx["redis"]).run()),
        asyncio.create_task(Payments(ctx[RESOURCES].database, settings).run()),
    ]
    if metrics.serve(settings):
        ctx[BACKGROUND].append(asyncio.create_task(metrics.watch_the_loop()))


async def stop(ctx: dict[Any, Any]) -> None:
    """Release what `start` opened, however far it got; jobs have ended by now."""
    await end(ctx.pop(BACKGROUND, []))
    resources: Resources | None = ctx.pop(RESOURCES, None)
    if resources is not None:
        try:
            await retire(resources)
        except Exception as error:  # its heartbeat runs out by itself
            log.warning("worker_not_retired", worker=resources.worker, error=type(error).__name__)
        with suppress(TimeoutError):  # a job that does not end keeps its connection; the process ends all the same
            async with asyncio.timeout(CLOSE_SECONDS):
                await close_resources(resources)


settings = read_settings()
configure_logging(settings)
uvloop.install()
install()


class WorkerSettings:
    """Read by arq's command line."""

    functions = (func(run_generation, name=RUN_GENERATION, max_tries=UNLIMITED_TRIES),)
    redis_settings = arq_settings(settings)
    leasing = Leasing(
        open_pool=lambda: open_queue(settings),
        lease_seconds=settings.worker_lease_seconds,
        renew_seconds=settings.worker_renew_seconds,
        beat=beat,
        checkpoint=checkpoint(settings.worker_crash_point),
    )
    on_startup = start
    on_shutdown = stop
    max_jobs = settings.worker_max_jobs
    job_timeout = settings.worker_attempt_seconds + TIMEOUT_MARGIN_SECONDS
    job_completion_wait = settings.worker_grace_seconds
    keep_result = 0
    health_check_interval = 5
    job_serializer = serialize
    job_deserializer = deserialize

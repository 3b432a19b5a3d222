"""What a worker tells Prometheus, on a port of its own: names and labels are an interface that dashboards rely on."""

import asyncio
import time
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram, start_http_server

from schemas.settings import Settings

LAG_PERIOD_SECONDS: Final = 0.25

JOBS_RUNNING: Final = Gauge("sparky_jobs_running", "Jobs that this worker runs, as of its last heartbeat")
ATTEMPTS_STARTED: Final = Counter("sparky_attempts_started", "Attempts at a generation begun")
ATTEMPTS_ENDED: Final = Counter("sparky_attempts_ended", "Attempts ended: settled, failed or deferred", ["end", "code"])
SWEPT: Final = Counter("sparky_swept", "What sweeps found: expired, requeued, removed, and upkeep by task", ["found"])
PAYMENTS: Final = Counter("sparky_payments", "Callbacks and inquiries of payments, by outcome", ["source", "outcome"])
BREAKER_OPEN: Final = Gauge("sparky_breaker_open", "1 while calls to a model are stopped, as last seen", ["model"])
SPENT_USD: Final = Gauge("sparky_spent_usd", "Counted towards today's cap over the whole fleet, as last seen")
LOOP_LAG: Final = Histogram(
    "sparky_event_loop_lag_seconds",
    "How late the event loop came to a timer",
    buckets=(0.005, 0.02, 0.05, 0.15, 0.5, 1.5, 5),
)

log = structlog.get_logger()


def serve(settings: Settings) -> bool:
    """Listen if `WORKER_METRICS_PORT` is set, until the process ends. A port that is taken stops no work."""
    if settings.worker_metrics_port is None:
        return False
    try:
        start_http_server(settings.worker_metrics_port, settings.worker_metrics_host)
    except OSError as error:
        log.error("metrics_unavailable", port=settings.worker_metrics_port, error=str(error))
        return False
    log.info("metrics_served", host=settings.worker_metrics_host, port=settings.worker_metrics_port)
    return True


async def watch_the_loop() -> None:
    """Measure the event loop's lag for ever; ended by cancelling it."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(LAG_PERIOD_SECONDS)
        LOOP_LAG.observe(max(0.0, time.perf_counter() - began - LAG_PERIOD_SECONDS))

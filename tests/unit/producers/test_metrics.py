"""The intake's `/metrics`: off unless asked for, and never in the way of requests."""

import socket
from typing import Any

import httpx

from deploy.local.processes import free_port
from producers.intake import metrics
from producers.paymob.metrics import CALLBACKS
from schemas.settings import Settings


def settings(**changes: Any) -> Settings:
    unused: dict[str, Any] = dict.fromkeys(
        ("database_url", "redis_url", "supabase_url", "supabase_secret_key"), "unused"
    )
    return Settings(_env_file=None, **unused, **changes)


def test_callbacks_are_counted_where_prometheus_reads() -> None:
    CALLBACKS.labels("signature").inc()
    port = free_port()
    metrics.serve(settings(intake_metrics_port=port))
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    assert 'sparky_paymob_callbacks_total{outcome="signature"}' in page


def test_a_port_that_is_taken_is_no_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        metrics.serve(settings(intake_metrics_port=taken.getsockname()[1]))

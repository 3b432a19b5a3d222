"""The worker's `/metrics`: off unless asked for, complete, and never a reason to stop working."""

import socket
from urllib.request import urlopen

import pytest

from schemas.settings import Settings
from worker import metrics

NAMES = {
    "sparky_jobs_running",
    "sparky_attempts_started_total",
    "sparky_attempts_ended_total",
    "sparky_swept_total",
    "sparky_payments_total",
    "sparky_breaker_open",
    "sparky_spent_usd",
    "sparky_event_loop_lag_seconds",
}


def settings(**changes: object) -> Settings:
    required = {"database_url": "x", "redis_url": "x", "supabase_url": "http://x", "supabase_secret_key": "x"}
    return Settings.model_validate({**required, **changes})


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        chosen: int = server.getsockname()[1]
    return chosen


def test_nothing_listens_unless_a_port_is_set() -> None:
    assert metrics.serve(settings()) is False


def test_every_metric_is_there(port: int) -> None:
    assert metrics.serve(settings(worker_metrics_port=port)) is True

    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()

    assert {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE sparky_")} >= NAMES


def test_a_port_that_is_taken_stops_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert metrics.serve(settings(worker_metrics_port=server.getsockname()[1])) is False

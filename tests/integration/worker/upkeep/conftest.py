"""Postgres, Storage and Valkey, and a worker's resources without a worker."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from arq import ArqRedis

from deploy.local.stack import Stack
from schemas.queue import open_queue
from schemas.settings import Settings
from tests.support.accounts import Accounts, open_accounts
from tests.support.stack import temporary_stack
from worker.resources import Resources, close_resources, open_resources


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack("supabase", "valkey", environment={"GEMINI_API_KEY": "unused"}) as stack:
        yield stack


@pytest.fixture(scope="session")
def settings(stack: Stack) -> Settings:
    values: dict[str, Any] = {name.lower(): value for name, value in stack.environment_of("worker").items()}
    return Settings.model_validate({**values, "worker_sweep_page": 2, "redis_timeout_seconds": 1})


@pytest.fixture(scope="session")
async def opened(settings: Settings) -> AsyncIterator[Resources]:
    resources = await open_resources(settings, "upkeep")
    yield resources
    await close_resources(resources)


@pytest.fixture
def resources(opened: Resources, request: pytest.FixtureRequest) -> Resources:
    """Each test is a worker of its own name."""
    return replace(opened, worker=request.node.name)


@pytest.fixture(scope="session")
async def accounts(stack: Stack) -> AsyncIterator[Accounts]:
    async with open_accounts(stack.database_url("postgres")) as accounts:
        yield accounts


@pytest.fixture
async def queue(settings: Settings) -> AsyncIterator[ArqRedis]:
    redis = open_queue(settings)
    await redis.flushall()
    yield redis
    await redis.aclose(close_connection_pool=True)

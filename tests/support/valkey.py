"""A real Valkey for each test process, empty for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from arq import ArqRedis
from pydantic import SecretStr

from deploy.local.valkey import Valkey
from schemas.queue import open_queue
from schemas.settings import Settings

PATIENCE = 30.0
"""Seconds that no healthy machine needs; only a broken promise waits for so long."""


def queue_settings(url: str) -> Settings:
    """Settings of which only the queue's matter."""
    secret = SecretStr("unused")
    return Settings(
        database_url=secret, redis_url=SecretStr(url), supabase_url="http://127.0.0.1", supabase_secret_key=secret
    )


@pytest.fixture(scope="session")
async def shared_valkey(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Valkey]:
    valkey = Valkey(tmp_path_factory.mktemp("valkey"))
    await valkey.start()
    yield valkey
    await valkey.stop()


@pytest.fixture
async def own_valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    """One that the test may stop and start again."""
    valkey = Valkey(tmp_path)
    await valkey.start()
    yield valkey
    await valkey.stop()


@pytest.fixture
async def redis_url(shared_valkey: Valkey) -> str:
    """The address of an empty Valkey."""
    redis = open_queue(queue_settings(shared_valkey.url))
    await redis.flushall()
    await redis.aclose(close_connection_pool=True)
    return shared_valkey.url


@pytest.fixture
async def queue(redis_url: str) -> AsyncIterator[ArqRedis]:
    redis = open_queue(queue_settings(redis_url))
    yield redis
    await redis.aclose(close_connection_pool=True)

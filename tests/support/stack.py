"""The embedded stack for tests: one for each test process, in a folder of its own, gone when it stops.

With `TEST_POOLER=transaction`, as `make test POOLER=transaction` sets it, intakes and workers go through PgBouncer.
"""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.stack import Stack

POOLED = {"DATABASE_POOLER": os.environ["TEST_POOLER"]} if os.environ.get("TEST_POOLER") else {}


@asynccontextmanager
async def temporary_stack(*services: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[Stack]:
    """Run these services and what they need, on free ports; all of them when none is named.

    In a conftest, with `scope="session"`, this makes one stack for each xdist worker:

        @pytest.fixture(scope="session")
        async def stack() -> AsyncIterator[Stack]:
            async with temporary_stack() as stack:
                yield stack
    """
    directory = Path(tempfile.mkdtemp(prefix="sparky-test-"))
    try:
        given = {**POOLED, **(environment or {})}
        async with Stack(directory, services, environment=given, durable=False) as stack:
            yield stack
    finally:
        shutil.rmtree(directory, ignore_errors=True)

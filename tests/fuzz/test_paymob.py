"""The webhook under fire: bodies and signatures that Paymob never sent, straight at the application.

`FUZZ_CALLBACKS` says how many; every one differs from a genuine callback in something that is signed. In this process,
so that the memory that it takes can be seen; the same over HTTP, in smaller number, is with the intake's tests.
"""

import asyncio
import gc
import os
from collections import Counter
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest

from deploy.local.paymob.merchant import HMAC_SECRET
from producers.intake import create_app
from schemas.settings import Settings
from tests.support.mutations import Posted, genuine, mutants

CALLBACKS = int(os.environ.get("FUZZ_CALLBACKS", "3000"))
GROWTH_BYTES = 16_000_000
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Inbox:
    """In the place of Postgres: remembers what was let through."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def record_event(self, kind: str, _: str, __: dict[str, Any]) -> bool:
        self.taken.append(kind)
        return True


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def app(inbox: Inbox) -> Any:
    unused: dict[str, Any] = dict.fromkeys(
        ("database_url", "redis_url", "supabase_url", "supabase_secret_key"), "unused"
    )
    settings = Settings(_env_file=None, paymob_hmac_secret=HMAC_SECRET, **unused)
    app = create_app(settings)
    app.state.services = SimpleNamespace(settings=settings, purchases=inbox)
    return app


async def post(app: Any, posted: Posted) -> int:
    """The status that the application answers; an exception of its own is one of the test's."""
    status = 0
    scope = {
        "type": "http", "method": "POST", "path": "/webhooks/paymob", "raw_path": b"/webhooks/paymob", "root_path": "",
        "query_string": urlencode([("hmac", hmac) for hmac in posted.hmacs]).encode(), "http_version": "1.1",
        "headers": [(b"content-type", b"application/json")], "scheme": "http", "server": ("test", 80),
        "client": ("test", 1), "asgi": {"version": "3.0"},
    }  # fmt: skip
    messages = [{"type": "http.request", "body": posted.body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return messages.pop()

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    return status


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES


async def test_the_genuine_ones_are_taken(app: Any, inbox: Inbox) -> None:
    assert [await post(app, posted) for posted in genuine()] == [200] * 3
    assert inbox.taken == ["TRANSACTION", "TOKEN", "SUBSCRIPTION"]


async def test_no_mutant_is_taken_none_makes_a_5xx_and_memory_stays_flat(app: Any, inbox: Inbox) -> None:
    stream = mutants(seed=20261122)
    for posted in islice(stream, CALLBACKS // 10):
        await post(app, posted)
    before, answers = resident(), Counter[int]()
    for posted in islice(stream, CALLBACKS):
        answers[await post(app, posted)] += 1
        await asyncio.sleep(0)
    grown = resident() - before
    print(f"{CALLBACKS} mutants: answers {dict(answers)}, taken {len(inbox.taken)}, memory {grown / 1e6:+.1f} MB")
    assert inbox.taken == []
    assert set(answers) == {401}
    assert grown < GROWTH_BYTES

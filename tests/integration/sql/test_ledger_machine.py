"""The ledger against its reference model: any calls in any order, alone or two at once, all invariants after each.

`HYPOTHESIS_PROFILE=nightly` looks much longer, and elsewhere each time.
"""

import asyncio
import os

import asyncpg
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from schemas.database import prepare_connection
from tests.integration.sql.conftest import Server
from tests.integration.sql.ledger.machine import LedgerMachine

CI = settings(
    max_examples=15,
    stateful_step_count=60,
    derandomize=True,
    deadline=None,
    database=None,
    # A failure is told at once and whole; the nightly profile takes the time to make it small.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
PROFILES = {
    "ci": CI,
    "nightly": settings(
        CI, max_examples=2000, stateful_step_count=100, derandomize=False, phases=[Phase.generate, Phase.shrink]
    ),
}


def test_whatever_happens_the_ledger_is_what_the_model_says(server: Server) -> None:
    loop = asyncio.new_event_loop()
    database = loop.run_until_complete(
        asyncpg.create_pool(server.dsn("postgres"), min_size=1, max_size=4, init=prepare_connection, loop=loop)
    )

    class Machine(LedgerMachine):
        pass

    Machine.loop, Machine.database = loop, database
    try:
        run_state_machine_as_test(Machine, settings=PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "ci")])
    finally:
        loop.run_until_complete(database.close())
        loop.close()

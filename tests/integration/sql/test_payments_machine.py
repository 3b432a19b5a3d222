"""Payments against the truth at Paymob: any callbacks in any order and number, all invariants after each step, and in
the end exactly what the money that came in and stayed buys.

`HYPOTHESIS_PROFILE=nightly` looks much longer, and elsewhere each time.
"""

import asyncio
import os

import asyncpg
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from schemas.database import prepare_connection
from tests.integration.sql.conftest import Server
from tests.integration.sql.payments.machine import PaymentsMachine
from tests.integration.sql.test_ledger_machine import PROFILES

CONNECTIONS = 10


def test_whatever_reaches_us_credits_are_what_was_paid_for_and_not_given_back(server: Server) -> None:
    loop = asyncio.new_event_loop()
    database = loop.run_until_complete(
        asyncpg.create_pool(
            server.dsn("postgres"), min_size=CONNECTIONS, max_size=CONNECTIONS, init=prepare_connection, loop=loop
        )
    )

    class Machine(PaymentsMachine):
        pass

    Machine.loop, Machine.database = loop, database
    profile = PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "ci")]
    try:
        run_state_machine_as_test(Machine, settings=settings(profile, stateful_step_count=40))
    finally:
        loop.run_until_complete(database.close())
        loop.close()

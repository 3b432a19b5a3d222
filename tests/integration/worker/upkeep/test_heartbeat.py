"""A worker's row in Postgres decides whether somebody else may start what it runs."""

from datetime import timedelta

import pytest

from tests.support.accounts import Accounts
from worker.heartbeat import alive_for, beat, retire
from worker.resources import RESOURCES, Resources


async def test_while_the_heart_beats_nobody_else_starts_the_work(resources: Resources, accounts: Accounts) -> None:
    generation = (await accounts.submit(await accounts.user()))["id"]
    await beat({RESOURCES: resources}, 0)
    await accounts.start(generation, resources.worker)

    assert await accounts.start(generation, "another") is None

    row = await accounts.database.fetchrow("select * from sparky.workers where id = $1", resources.worker)
    assert row is not None
    assert row["slots"] == resources.settings.worker_max_jobs


async def test_a_retired_workers_work_can_be_started_at_once(resources: Resources, accounts: Accounts) -> None:
    generation = (await accounts.submit(await accounts.user()))["id"]
    await beat({RESOURCES: resources}, 1)
    await accounts.start(generation, resources.worker)

    await retire(resources)

    assert await accounts.start(generation, "another") is not None


def test_a_heartbeat_has_expired_when_a_lease_has(resources: Resources) -> None:
    """Even if it came a whole renewal after the lease was renewed for the last time."""
    settings = resources.settings
    renewal, lease = timedelta(seconds=settings.worker_renew_seconds), timedelta(seconds=settings.worker_lease_seconds)

    assert renewal < alive_for(settings) < lease - renewal


def test_a_lease_too_short_for_its_renewals_is_refused(resources: Resources) -> None:
    with pytest.raises(ValueError, match="WORKER_LEASE_SECONDS"):
        alive_for(resources.settings.model_copy(update={"worker_lease_seconds": 5, "worker_renew_seconds": 3}))

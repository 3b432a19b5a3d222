"""A worker that dies at any of its named points: the work goes on elsewhere, and nothing is paid or told twice.

`make chaos CRASHES=50` does the same many times, with the leases of production.
"""

from collections.abc import AsyncIterator

import pytest

from tests.chaos.crashes import Crashes
from tests.chaos.world import open_world
from worker.checkpoints import POINTS, Point


@pytest.fixture(scope="module")
async def crashes() -> AsyncIterator[Crashes]:
    async with open_world() as world:
        yield await Crashes.prepare(world)


@pytest.mark.parametrize("kind", ["picture", "analysis"])
@pytest.mark.parametrize("point", POINTS)
async def test_a_killed_workers_generation_ends_once_elsewhere(crashes: Crashes, point: Point, kind: str) -> None:
    death = await crashes.die(point, kind)
    assert death.violations() == []
    assert await crashes.gates() == []

"""Deliberately broken builds, to prove that the simulator sees what it is there to see."""

import re

from tests.chaos.world import World

# What is broken: in which function, which text (a pattern) goes.
BREAKS = {
    "fence": ("settle_generation", r" or g\.fence (<>|is distinct from) p_fence"),
    "hold": ("end_without_result", r"delete from sparky\.holds where generation_id = p_id;"),
}


async def sabotage(world: World, what: str) -> None:
    """Take a guarantee out of the running database."""
    function, pattern = BREAKS[what]
    database = world.accounts.database
    source = await database.fetchval(
        "select pg_get_functiondef(oid) from pg_catalog.pg_proc"
        " where proname = $1 and pronamespace = 'sparky'::regnamespace",
        function,
    )
    without, times = re.subn(pattern, "", source)
    if times != 1:
        raise ValueError(f"{function} no longer has the text that --break {what} takes out")
    await database.execute(without)

"""The whole script through supabase-py."""

import httpx

from tests.contract.journey.account import account
from tests.contract.journey.events import leave, listen
from tests.contract.journey.job import job
from tests.contract.journey.journey import CALL_SECONDS, Facts, Journey, Site, new_client, new_person
from tests.contract.journey.photos import photos
from tests.contract.journey.tables import tables


async def run(site: Site) -> dict[str, Facts]:
    """The facts of each step, in order."""
    async with httpx.AsyncClient(timeout=CALL_SECONDS, trust_env=False) as http:
        admin = await new_client(site, site.secret_key)
        journey = Journey(site, http, admin, await new_person(site), await new_person(site))
        try:
            await account(journey)
            await photos(journey)
            await tables(journey)
            channels = await listen(journey)
            await job(journey, channels)
            await leave(journey, channels)
        finally:
            for person in (journey.own, journey.neighbour):
                await person.client.realtime.close()
        return journey.facts

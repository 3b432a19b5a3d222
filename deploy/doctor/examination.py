"""One database examined: every family's facts against the expectation, in one transaction that is rolled back."""

from dataclasses import dataclass

import asyncpg

from deploy.doctor.expectation import FAMILIES, Expectation, undone
from deploy.doctor.family import Connection, Family, Finding, Place

NEEDED = """
select pg_has_role(current_user, 'anon', 'member') and pg_has_role(current_user, 'authenticated', 'member')
    and pg_has_role(current_user, 'service_role', 'member')
"""


class CannotExamine(RuntimeError):  # noqa: N818 - it is what is wrong
    """The database cannot be reached, or this role may not try what the clients may do."""


@dataclass(frozen=True)
class Answer:
    """What one group of checks looked at, and what it found; `skipped` says why it did not look."""

    name: str
    said: str
    findings: tuple[Finding, ...] = ()
    skipped: bool = False


async def examine(connection: Connection, expectation: Expectation, *, results_private: bool = False) -> list[Answer]:
    """Raises `CannotExamine` for a role that may not act as the clients."""
    async with undone(connection):
        if not await connection.fetchval(NEEDED):
            role = await connection.fetchval("select current_user")
            raise CannotExamine(f"logs in as {role}, who may not act as the client roles; use the role postgres")
        place = Place(connection, expectation.ours, results_private)
        return [await _ask(family, place, expectation) for family in FAMILIES]


async def _ask(family: Family, place: Place, expectation: Expectation) -> Answer:
    try:
        async with place.connection.transaction():
            found = await family.look(place)
    except asyncpg.PostgresError as error:
        remedy = "run `sparky migrate` if something is missing; else this is the database's own word on it"
        return Answer(family.name, "", (Finding(f"could not be checked: {error}", remedy),))
    return Answer(family.name, family.said(found), tuple(family.judge(found, expectation.facts[family.name])))

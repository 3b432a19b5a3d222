"""What Realtime tells: exactly the tables that it should, whole, with the replica identity they need."""

from dataclasses import dataclass

from deploy.doctor.family import Family, Finding, Place

NAME = "supabase_realtime"
PUBLISHED = """
select format('%I.%I', schemaname, tablename) as name, rowfilter is not null as filtered
from pg_publication_tables where pubname = $1
"""
IDENTITY = """
select relation from unnest($1::text[]) as relation
join pg_class on oid = to_regclass(relation) where relreplident = 'f'
"""
ROW_EVENTS = "select row_events from sparky.operator_settings"
BUSY = {"public.users", "public.notifications"}


@dataclass(frozen=True)
class Published:
    tables: dict[str, bool]  # whether a row filter leaves rows out
    whole: frozenset[str]  # replica identity full
    row_events: bool  # off: the operator took the busy tables out


async def look(place: Place) -> Published:
    tables = await place.connection.fetch(PUBLISHED, NAME)
    identities = await place.connection.fetch(IDENTITY, sorted(place.ours))
    return Published(
        {row["name"]: row["filtered"] for row in tables if row["name"] in place.ours},
        frozenset(row["relation"] for row in identities),
        await place.connection.fetchval(ROW_EVENTS),
    )


def judge(found: Published, expected: Published) -> list[Finding]:
    wanted = expected.tables.keys() - (set() if found.row_events else BUSY)
    findings = [
        Finding(
            f"changes of {name} are not told: it is not in the publication {NAME}",
            f"alter publication {NAME} add table {name}",
        )
        for name in sorted(wanted - found.tables.keys())
    ]
    findings += [
        Finding(
            f"changes of {name} go out to subscribers: it is in the publication {NAME} and should not be",
            f"alter publication {NAME} drop table {name}",
        )
        for name in sorted(found.tables.keys() - wanted)
    ]
    findings += [
        Finding(
            f"the publication {NAME} leaves out rows of {name}",
            f"alter publication {NAME} drop table {name}; alter publication {NAME} add table {name}",
        )
        for name, filtered in sorted(found.tables.items())
        if filtered
    ]
    findings += [
        Finding(
            f"updates of {name} reach apps without the columns that did not change",
            f"alter table {name} replica identity full",
        )
        for name in sorted(expected.whole - found.whole)
    ]
    return findings


FAMILY = Family("publication", look, judge, lambda found: f"{len(found.tables)} tables in {NAME}")

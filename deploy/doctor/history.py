"""Which migrations have run. A database migrated by plain psql keeps no record and is judged by its content alone."""

from deploy.doctor.family import Family, Finding, Place

Versions = frozenset[str] | None


async def look(place: Place) -> Versions:
    """None: nothing is recorded."""
    if not await place.connection.fetchval("select to_regclass('supabase_migrations.schema_migrations') is not null"):
        return None
    rows = await place.connection.fetch("select version from supabase_migrations.schema_migrations")
    return frozenset(row["version"] for row in rows)


def judge(found: Versions, expected: Versions) -> list[Finding]:
    """The other families compare with the newest schema, so their findings may follow from this one."""
    if found is None or expected is None:
        return []
    findings = []
    if missing := sorted(expected - found):
        what = f"{len(missing)} migrations have not run here: {', '.join(missing)}; other findings may follow from that"
        findings.append(Finding(what, "run `sparky migrate` (or `supabase db push`), then the doctor again"))
    if unknown := sorted(found - expected):
        what = f"{len(unknown)} migrations have run here that this clone does not have: {', '.join(unknown)}"
        findings.append(Finding(what, "examine it with the version of the product that it was migrated with"))
    return findings


def said(found: Versions) -> str:
    return "no record of migrations is kept here" if found is None else f"{len(found)} versions recorded"


FAMILY = Family("migrations", look, judge, said)

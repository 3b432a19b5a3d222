"""Row level security: on for our tables and for all that the Data API shows, with exactly the migrations' policies."""

from dataclasses import dataclass

from deploy.doctor.family import SCHEMAS, Family, Finding, Place

TABLES = """
select format('%I.%I', nspname, relname) as name, relrowsecurity as protected
from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where nspname = any ($1) and relkind in ('r', 'p')
    and not exists (
        select from pg_depend where classid = 'pg_class'::regclass and objid = pg_class.oid and deptype = 'e'
    )
"""
# Policies are combined with OR, so one more on a shared table opens our buckets or channels too.
SHARED = ["storage.objects", "storage.buckets", "realtime.messages"]
POLICIES = """
select format('%I.%I', schemaname, tablename) as relation, policyname as name, permissive, roles::text as roles, cmd,
    coalesce(qual, '') as using_expression, coalesce(with_check, '') as check_expression
from pg_policies
where format('%I.%I', schemaname, tablename) = any ($1)
"""


@dataclass(frozen=True)
class Rows:
    protected: dict[str, bool]
    policies: dict[tuple[str, str], tuple[str, ...]]


async def look(place: Place) -> Rows:
    tables = await place.connection.fetch(TABLES, SCHEMAS)
    policies = await place.connection.fetch(POLICIES, [*place.ours, *SHARED])
    return Rows(
        {row["name"]: row["protected"] for row in tables},
        {(row["relation"], row["name"]): tuple(row.values())[2:] for row in policies},
    )


def judge(found: Rows, expected: Rows) -> list[Finding]:
    findings = [
        Finding(f"the table {name} is missing", "run `sparky migrate`, or restore it from a backup")
        for name in sorted(expected.protected.keys() - found.protected.keys())
    ]
    findings += [
        Finding(
            f"row level security is off on {name}: whoever may read it reads everybody's rows",
            f"alter table {name} enable row level security",
        )
        for name, protected in sorted(found.protected.items())
        if not protected
    ]
    for key in sorted(found.policies.keys() | expected.policies.keys()):
        (relation, name), there, wanted = key, found.policies.get(key), expected.policies.get(key)
        again = f'drop policy "{name}" on {relation}, then run 20261122001300_row_level_security.sql again'
        if wanted is None:
            remedy = f'find out who made it, then: drop policy "{name}" on {relation}'
            findings.append(Finding(f"{relation} has a policy that is not ours: “{name}”", remedy))
        elif there is None:
            if relation in found.protected or relation in SHARED:
                findings.append(Finding(f"the policy “{name}” on {relation} is missing", again.partition(", then ")[2]))
        elif there != wanted:
            findings.append(Finding(f"the policy “{name}” on {relation} is not as the migrations make it", again))
    return findings


FAMILY = Family(
    "rows",
    look,
    judge,
    lambda found: f"row level security on {len(found.protected)} tables, {len(found.policies)} policies",
)

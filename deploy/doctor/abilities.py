"""What the client roles can do to our tables: each way of writing is tried, reading is asked of the catalogue.

TRUNCATE is asked, not tried: where it is allowed, it would lock the table.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import orjson

from deploy.doctor.family import CLIENT_ROLES, Family, Finding, Place, persons

ATTEMPTS = Path(__file__).with_name("attempts.sql").read_text()
ASKED = """
select role_name as role, verb, relation::regclass::text as relation_name, relation, null as "column"
from unnest($1::text[]) as relation, unnest($2::text[]) as role_name, unnest(array['truncate', 'trigger']) as verb
where has_table_privilege(role_name, relation, verb)
union all
select role_name, 'select', null, relation, attname
from unnest($1::text[]) as relation
join pg_attribute on attrelid = relation::regclass and attnum > 0 and not attisdropped, unnest($2::text[]) as role_name
where has_column_privilege(role_name, relation, attname, 'select')
"""
VERBS = {
    "insert": "insert into",
    "update": "update",
    "delete": "delete from",
    "truncate": "truncate",
    "trigger": "put triggers on",
    "select": "read",
}


@dataclass(frozen=True, order=True)
class Ability:
    role: str
    verb: str
    relation: str
    column: str | None


Abilities = dict[Ability, int | None]  # how many of one real user's rows the attempt reached, where that was tried


async def look(place: Place) -> Abilities:
    there = "select relation from unnest($1::text[]) as relation where to_regclass(relation) is not null"
    ours = [row["relation"] for row in await place.connection.fetch(there, sorted(place.ours))]
    await place.connection.execute("select set_config('doctor.ours', $1, true)", orjson.dumps(ours).decode())
    await place.connection.execute(ATTEMPTS)
    tried = orjson.loads(await place.connection.fetchval("select current_setting('doctor.abilities')"))
    found: Abilities = {
        Ability(one["role"], one["verb"], one["relation"], one["column"]): one["reached"] for one in tried
    }
    for row in await place.connection.fetch(ASKED, ours, CLIENT_ROLES):
        found[Ability(row["role"], row["verb"], row["relation"], row["column"])] = None
    return found


def judge(found: Abilities, expected: Abilities) -> list[Finding]:
    """One finding for each table and verb, with all its columns and roles."""
    findings = []
    for (verb, relation), abilities in _grouped(found.keys() - expected.keys()).items():
        reached = max((found[ability] or 0 for ability in abilities), default=0)
        tried = f"; tried as a real user, it changed {reached} of their rows, and was rolled back" if reached else ""
        who = persons(list({ability.role for ability in abilities}))
        findings.append(
            Finding(
                f"{who} can {VERBS[verb]} {_named(relation, abilities)}{tried}",
                f"revoke {verb} on {relation} from {_roles(abilities)}, as a whole and by column; then run "
                "20261122001200_grants.sql again",
            )
        )
    for (verb, relation), abilities in _grouped(expected.keys() - found.keys()).items():
        who = persons(list({ability.role for ability in abilities}))
        findings.append(
            Finding(
                f"{who} can no longer {VERBS[verb]} {_named(relation, abilities)}, as apps do",
                "run the migrations that grant it again (20261122001200_grants.sql and later ones)",
            )
        )
    return findings


def _grouped(abilities: set[Ability]) -> dict[tuple[str, str], list[Ability]]:
    groups = defaultdict(list)
    for ability in sorted(abilities, key=lambda one: (one.relation, one.verb, one.column or "", one.role)):
        groups[ability.verb, ability.relation].append(ability)
    return groups


def _named(relation: str, abilities: list[Ability]) -> str:
    columns = sorted({ability.column for ability in abilities if ability.column})
    return f"{relation} ({', '.join(columns)})" if columns else relation


def _roles(abilities: list[Ability]) -> str:
    return ", ".join(sorted({ability.role for ability in abilities}))


FAMILY = Family(
    "what clients can do", look, judge, lambda found: f"{len(found)} abilities, every other write and read refused"
)

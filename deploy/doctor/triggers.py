"""Triggers and rules: ours are there and on, nobody else's is on our tables or writes to them from another one.

The classic double charge was a second trigger on the ledger. A function that a foreign trigger calls is read for
statements that write to our tables; what it calls in turn is not followed.
"""

import re
from dataclasses import dataclass

from deploy.doctor.family import SCHEMAS, Family, Finding, Place

TRIGGERS = """
select format('%I.%I', tables.nspname, class.relname) as relation, trigger.tgname as name,
    trigger.tgenabled <> 'D' and trigger.tgenabled <> 'R' as enabled, pg_get_triggerdef(trigger.oid) as definition,
    functions.nspname as function_schema, function.oid::regprocedure::text as function, function.prosrc as body
from pg_trigger as trigger
join pg_class as class on class.oid = trigger.tgrelid
join pg_namespace as tables on tables.oid = class.relnamespace
join pg_proc as function on function.oid = trigger.tgfoid
join pg_namespace as functions on functions.oid = function.pronamespace
where not trigger.tgisinternal
"""
RULES = """
select format('%I.%I', schemaname, tablename) as relation, rulename as name
from pg_rules where schemaname = any ($1)
"""
DROP = "find out who made it, then drop it; the product's own triggers are all in deploy/supabase/migrations"


@dataclass(frozen=True)
class Trigger:
    definition: str
    enabled: bool
    function: str
    on_ours: bool
    calls_ours: bool
    writes_ours: bool

    @property
    def concerns_us(self) -> bool:
        return self.on_ours or self.calls_ours


@dataclass(frozen=True)
class Triggers:
    triggers: dict[tuple[str, str], Trigger]
    rules: frozenset[tuple[str, str]]


async def look(place: Place) -> Triggers:
    writes = _writes_to(place.ours)
    triggers = {
        (row["relation"], row["name"]): Trigger(
            row["definition"],
            row["enabled"],
            row["function"],
            on_ours=row["relation"] in place.ours,
            calls_ours=row["function_schema"] == "sparky",
            writes_ours=bool(writes.search(row["body"])),
        )
        for row in await place.connection.fetch(TRIGGERS)
    }
    rules = await place.connection.fetch(RULES, SCHEMAS)
    return Triggers(
        triggers, frozenset((row["relation"], row["name"]) for row in rules if row["relation"] in place.ours)
    )


def judge(found: Triggers, expected: Triggers) -> list[Finding]:
    findings = []
    for key, trigger in found.triggers.items():
        relation, name = key
        if key in expected.triggers:
            continue
        if trigger.on_ours:
            findings.append(
                Finding(f"{relation} has a trigger that is not ours: {name}, running {trigger.function}", DROP)
            )
        elif trigger.calls_ours or trigger.writes_ours:
            findings.append(
                Finding(
                    f"the trigger {name} on {relation} is not ours and writes to our tables ({trigger.function})", DROP
                )
            )
    for (relation, name), wanted in expected.triggers.items():
        if not wanted.concerns_us:
            continue
        there = found.triggers.get((relation, name))
        again = "run the migration that makes it once more (grep the name in deploy/supabase/migrations)"
        if there is None:
            findings.append(Finding(f"the trigger {name} on {relation} is missing", again))
        elif not there.enabled:
            remedy = f"alter table {relation} enable trigger {name}"
            findings.append(Finding(f"the trigger {name} on {relation} is switched off", remedy))
        elif there.definition != wanted.definition:
            findings.append(Finding(f"the trigger {name} on {relation} is not as the migrations make it", again))
    findings += [
        Finding(f"{relation} has a rewrite rule that is not ours: {name}", DROP)
        for relation, name in sorted(found.rules - expected.rules)
    ]
    return findings


def _writes_to(ours: frozenset[str]) -> re.Pattern[str]:
    """Finds a statement that writes to one of these tables, or calls a function of ours."""
    public = "|".join(re.escape(table.partition(".")[2]) for table in sorted(ours) if table.startswith("public."))
    write = r"(?:insert\s+into|update|delete\s+from|merge\s+into|truncate(?:\s+table)?)\s+(?:only\s+)?"
    return re.compile(rf'\b(?:sparky|cache)\.|\b{write}(?:"?public"?\.)?"?(?:{public or "-"})\b(?!"?\.)', re.IGNORECASE)


def said(found: Triggers) -> str:
    ours = sum(trigger.concerns_us for trigger in found.triggers.values())
    return f"{ours} triggers of ours, {len(found.triggers) - ours} others read, rules"


FAMILY = Family("triggers", look, judge, said)

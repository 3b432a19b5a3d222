"""The rules that hold on every healthy database, as `sparky.check_invariants()` knows them."""

from deploy.doctor.family import Family, Finding, Place

Rules = dict[str, tuple[int, str | None]]

REMEDY = (
    "stop the workers, leave the rows as they are and find out what wrote them; correct a balance only with "
    "sparky.write_ledger(…, 'adjustment', …), never by an UPDATE"
)


async def look(place: Place) -> Rules:
    """Violations and one offender, by rule."""
    rows = await place.connection.fetch("select name, violations, sample from sparky.check_invariants()")
    return {row["name"]: (row["violations"], row["sample"]) for row in rows}


def judge(found: Rules, expected: Rules) -> list[Finding]:
    return [
        Finding(f"the rule “{rule.replace('_', ' ')}” is broken {count} times, for example by {sample}", REMEDY)
        for rule, (count, sample) in found.items()
        if count
    ]


FAMILY = Family("invariants", look, judge, lambda found: f"{len(found)} rules over balances, holds and results")

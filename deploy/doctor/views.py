"""Views over our tables: one that runs with its owner's rights opens everybody's rows to whoever may use it."""

from deploy.doctor.family import CLIENT_ROLES, Family, Finding, Place, persons

LOOK = """
with recursive read_by (view, relation) as (
    select ev_class, refobjid from pg_rewrite
    join pg_depend on classid = 'pg_rewrite'::regclass and objid = pg_rewrite.oid
        and refclassid = 'pg_class'::regclass and refobjid <> ev_class
    union
    select read_by.view, refobjid from read_by
    join pg_rewrite on ev_class = read_by.relation
    join pg_depend on classid = 'pg_rewrite'::regclass and objid = pg_rewrite.oid
        and refclassid = 'pg_class'::regclass and refobjid <> ev_class
)
select format('%I.%I', view_schema.nspname, view.relname) as view,
    min(format('%I.%I', table_schema.nspname, class.relname)) as relation, role_name as role
from read_by
join pg_class as view on view.oid = read_by.view
join pg_namespace as view_schema on view_schema.oid = view.relnamespace
join pg_class as class on class.oid = read_by.relation
join pg_namespace as table_schema on table_schema.oid = class.relnamespace,
    unnest($2::text[]) as role_name
where format('%I.%I', table_schema.nspname, class.relname) = any ($1)
    and not coalesce('security_invoker=true' = any (view.reloptions), false)
    and not coalesce('security_invoker=on' = any (view.reloptions), false)
    and has_any_column_privilege(role_name, view.oid, 'select, insert, update')
group by 1, 3
"""
Views = dict[tuple[str, str], list[str]]


async def look(place: Place) -> Views:
    """The roles that may use each view, by view and a table of ours that it shows."""
    found: Views = {}
    for row in await place.connection.fetch(LOOK, sorted(place.ours), CLIENT_ROLES[:2]):
        found.setdefault((row["view"], row["relation"]), []).append(row["role"])
    return found


def judge(found: Views, expected: Views) -> list[Finding]:
    return [
        Finding(
            f"the view {view} shows {relation} with its owner's rights, past every policy, to {persons(roles)}",
            f"alter view {view} set (security_invoker = true), or revoke all on it from anon and authenticated",
        )
        for (view, relation), roles in found.items()
        if (view, relation) not in expected
    ]


FAMILY = Family("views", look, judge, lambda found: f"{len(found)} that show our tables past their policies")

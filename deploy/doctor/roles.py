"""Roles: the login roles reach their own functions and nothing else, no role outgrew its rights, no schema was opened,
and nothing that is made later is granted to clients by default."""

from dataclasses import dataclass

from deploy.doctor.family import CLIENT_ROLES, Family, Finding, Place, persons

OURS = r"sparky\_%"
ATTRIBUTES = """
select rolname as role, attribute
from pg_roles,
    lateral (values ('superuser', rolsuper), ('createrole', rolcreaterole), ('createdb', rolcreatedb),
        ('replication', rolreplication), ('bypassrls', rolbypassrls), ('login', rolcanlogin)
    ) as attributes (attribute, on_)
where on_ and (rolname = any ($1) or rolname like $2)
union all
select member.rolname, 'member of ' || parent.rolname
from pg_auth_members
join pg_roles as member on member.oid = pg_auth_members.member
join pg_roles as parent on parent.oid = pg_auth_members.roleid
where member.rolname = any ($1) or member.rolname like $2
"""
RIGHTS = """
with holder as (select rolname as role, oid from pg_roles where rolname like $2), clients as (
    select rolname as role, oid from pg_roles where rolname = any ($1)
)
select role, 'use schema ' || nspname as right_ from (table holder union all table clients) as anybody, pg_namespace
where nspname in ('sparky', 'cache') and has_schema_privilege(anybody.oid, pg_namespace.oid, 'usage')
union all
select role, 'make objects in schema ' || nspname from (table holder union all table clients) as anybody, pg_namespace
where nspname in ('public', 'sparky', 'cache') and has_schema_privilege(anybody.oid, pg_namespace.oid, 'create')
union all
select role, 'use table ' || format('%I.%I', nspname, relname) from holder, pg_class
join pg_namespace on pg_namespace.oid = relnamespace
where nspname in ('public', 'sparky', 'cache', 'auth', 'storage') and relkind in ('r', 'p', 'v', 'm', 'f')
    and (has_table_privilege(holder.oid, pg_class.oid, 'select, insert, update, delete, truncate')
        or has_any_column_privilege(holder.oid, pg_class.oid, 'select, insert, update'))
union all
-- Granted by name: what everybody may execute is told once, with the functions.
select distinct role, 'execute ' || pg_proc.oid::regprocedure::text from holder, pg_proc, aclexplode(proacl)
where pronamespace = to_regnamespace('sparky') and grantee = holder.oid and privilege_type = 'EXECUTE'
"""
# In `public` both are right: older projects grant what `postgres` makes there to the API roles, newer ones do not.
DEFAULTS = """
select pg_get_userbyid(defaclrole) as maker, coalesce(nspname, 'any schema') as schema,
    case defaclobjtype
        when 'r' then 'tables' when 'f' then 'functions' when 'S' then 'sequences' when 'T' then 'types' else 'schemas'
    end as objects,
    case when grantee = 0 then 'everybody (PUBLIC)' else pg_get_userbyid(grantee) end as holder
from pg_default_acl
left join pg_namespace on pg_namespace.oid = defaclnamespace,
    aclexplode(defaclacl)
where (defaclnamespace = 0 or nspname in ('sparky', 'cache'))
    and (pg_get_userbyid(grantee) = any ($1)
        or grantee = 0 and not (defaclnamespace = 0 and defaclobjtype in ('f', 'T')))  -- PostgreSQL's own default
group by 1, 2, 3, 4
"""


@dataclass(frozen=True)
class Roles:
    attributes: frozenset[tuple[str, str]]
    rights: frozenset[tuple[str, str]]
    defaults: frozenset[tuple[str, str, str, str]]


async def look(place: Place) -> Roles:
    clients = CLIENT_ROLES[:2]
    attributes = await place.connection.fetch(ATTRIBUTES, clients, OURS)
    rights = await place.connection.fetch(RIGHTS, CLIENT_ROLES, OURS)
    defaults = await place.connection.fetch(DEFAULTS, clients)
    return Roles(
        frozenset((row["role"], row["attribute"]) for row in attributes),
        frozenset((row["role"], row["right_"]) for row in rights),
        frozenset((row["maker"], row["schema"], row["objects"], row["holder"]) for row in defaults),
    )


def judge(found: Roles, expected: Roles) -> list[Finding]:
    findings = [
        Finding(f"the role {role} is {attribute}, which the migrations do not make it", f"take it back from {role}")
        for role, attribute in sorted(found.attributes - expected.attributes)
    ]
    findings += [
        Finding(f"the role {role} is no longer {attribute}", f"alter role {role} {attribute}")
        for role, attribute in sorted(expected.attributes - found.attributes)
    ]
    findings += [
        Finding(f"{persons([role])} may {right}, which the migrations do not grant", f"revoke it from {role}")
        for role, right in sorted(found.rights - expected.rights)
    ]
    findings += [
        Finding(
            f"{persons([role])} may no longer {right}: intake or workers fail there",
            "run 20261122001200_grants.sql and later migrations again",
        )
        for role, right in sorted(expected.rights - found.rights)
    ]
    findings += [
        Finding(
            f"{objects} that {maker} makes in {schema} are granted to {holder} by default",
            f"alter default privileges for role {maker}"
            + ("" if schema == "any schema" else f" in schema {schema}")
            + f" revoke all on {objects} from {'public' if holder.startswith('everybody') else holder}",
        )
        for maker, schema, objects, holder in sorted(found.defaults - expected.defaults)
    ]
    return findings


FAMILY = Family("roles", look, judge, lambda found: f"{len(found.rights)} rights, attributes, default privileges")

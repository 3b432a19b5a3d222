"""Functions: clients may call none of ours and none that runs with its owner's rights, and ours are unchanged.

PostgreSQL lets everybody execute a new function, and older Supabase projects grant it to the API roles by name too.
"""

from dataclasses import dataclass

from deploy.doctor.family import CLIENT_ROLES, SCHEMAS, Family, Finding, Place, persons

LOOK = """
select function.oid::regprocedure::text as name, nspname as schema, prosecdef as definer,
    md5(prosrc || prosecdef::text || provolatile::text || coalesce(array_to_string(proconfig, ','), '')) as content,
    exists (
        select from aclexplode(coalesce(proacl, acldefault('f', proowner)))
        where grantee = 0 and privilege_type = 'EXECUTE'
    ) as by_everybody,
    array(
        select role_name from unnest($2::text[]) as role_name
        where has_function_privilege(role_name, function.oid, 'execute')
    ) as callers
from pg_proc as function
join pg_namespace as namespace on namespace.oid = pronamespace
where nspname = any ($1) and prokind in ('f', 'p') and prorettype <> 'event_trigger'::regtype
    and not exists (
        select from pg_depend
        where classid = 'pg_proc'::regclass and objid = function.oid and deptype = 'e'
    )
"""


@dataclass(frozen=True)
class Function:
    schema: str
    definer: bool
    content: str
    by_everybody: bool
    callers: tuple[str, ...]

    @property
    def is_a_path(self) -> bool:
        """Whether calling it may do more than the caller could do anyway."""
        return self.schema != "public" or self.definer


Functions = dict[str, Function]


async def look(place: Place) -> Functions:
    return {
        row["name"]: Function(row["schema"], row["definer"], row["content"], row["by_everybody"], tuple(row["callers"]))
        for row in await place.connection.fetch(LOOK, SCHEMAS, CLIENT_ROLES)
    }


def judge(found: Functions, expected: Functions) -> list[Finding]:
    findings = []
    for name, function in sorted(found.items()):
        wanted = expected.get(name)
        callers = set(function.callers) - set(wanted.callers if wanted else ())
        everybody = function.by_everybody and not (wanted and wanted.by_everybody)
        if (callers or everybody) and function.is_a_path:
            who = "everybody (PUBLIC)" if function.by_everybody else persons(list(callers))
            findings.append(
                Finding(
                    f"{who} may execute the function {name}",
                    f"revoke execute on function {name} from public, {', '.join(CLIENT_ROLES)}",
                )
            )
        if wanted and function.content != wanted.content:
            findings.append(
                Finding(
                    f"the function {name} is not the one that the migrations make",
                    "run its migration again: every function of ours is made with `create or replace`",
                )
            )
    findings += [
        Finding(f"the function {name} is missing", "run the migration that makes it again")
        for name in sorted(expected.keys() - found.keys())
    ]
    return findings


FAMILY = Family("functions", look, judge, lambda found: f"{len(found)} functions, who may execute them, their content")

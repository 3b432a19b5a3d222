"""What every family of checks is: facts of a database, and what they say when compared with a freshly migrated one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

SCHEMAS = ["public", "sparky", "cache"]
CLIENT_ROLES = ["anon", "authenticated", "service_role"]
PERSONS = {
    "anon": "anybody (role anon)",
    "authenticated": "any signed-in user (role authenticated)",
    "service_role": "the secret key (role service_role)",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, in plain words, and what to do about it."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Place:
    """A database inside its transaction; `ours` are the migrations' tables, as `schema.table`.

    `results_private` is the intake's setting of that name, which the bucket has to agree with.
    """

    connection: Connection
    ours: frozenset[str]
    results_private: bool = False


@dataclass(frozen=True)
class Family:
    """`look` reads, `judge` compares what was found with what is expected, `said` tells what was looked at."""

    name: str
    look: Callable[[Place], Awaitable[Any]]
    judge: Callable[[Any, Any], list[Finding]]
    said: Callable[[Any], str]


def persons(roles: list[str]) -> str:
    """These roles as a person knows them."""
    return " and ".join(PERSONS.get(role, f"role {role}") for role in sorted(roles))

"""What the chapters of the script share: the people, their clients, and how an answer becomes a fact.

A fact is what an app could depend on: a status, a code, a count, a name. Ids, times and addresses that differ from run
to run never become facts; where the two clients differ by nature, the scripts make one thing of it.
"""

import secrets
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from postgrest.exceptions import APIError
from storage3.exceptions import StorageApiError
from supabase import AsyncClient, AsyncClientOptions, acreate_client
from supabase_auth.errors import AuthError

Facts: TypeAlias = dict[str, Any]

CALL_SECONDS = 70.0


@dataclass(frozen=True)
class Site:
    """Where everything is. The operator is whoever runs the site, changes the catalogue and reads the mails.

    `outages`: whether Realtime can be told to drop its clients.
    """

    supabase_url: str
    publishable_key: str
    secret_key: str
    intake_url: str
    operator_url: str
    portrait: Path
    outages: bool = True


@dataclass
class Person:
    """Somebody with an account; `id` is known once they have signed up."""

    client: AsyncClient
    email: str
    password: str
    id: str = ""


@dataclass
class Journey:
    """The facts so far, by step, and who takes part."""

    site: Site
    http: httpx.AsyncClient
    admin: AsyncClient
    own: Person
    neighbour: Person
    facts: dict[str, Facts] = field(default_factory=dict)

    @property
    def photo(self) -> bytes:
        return self.site.portrait.read_bytes()

    def named(self, text: str) -> str:
        """The text with everybody's id replaced by who they are."""
        return text.replace(self.own.id, "<own>").replace(self.neighbour.id, "<neighbour>")

    async def mails(self) -> list[dict[str, Any]]:
        """What was mailed to the customer, oldest first."""
        mails = (await self.http.get(f"{self.site.operator_url}/mails")).json()
        return [mail for mail in mails if mail["to"] == self.own.email]

    async def status(self, url: str | None) -> int:
        """What anybody gets there, without keys."""
        return (await self.http.get(url or "")).status_code

    async def token(self) -> str:
        session = await self.own.client.auth.get_session()
        assert session is not None
        return session.access_token


async def new_client(site: Site, key: str | None = None) -> AsyncClient:
    """A client of nobody, with the publishable key unless another is given."""
    return await acreate_client(
        site.supabase_url, key or site.publishable_key, AsyncClientOptions(auto_refresh_token=False)
    )


async def new_person(site: Site) -> Person:
    return Person(await new_client(site), f"{secrets.token_hex(8)}@example.com", secrets.token_urlsafe(16))


async def refusal(call: Awaitable[Any]) -> str:
    """`accepted`, or how the service said no: status and code (Auth), status and message (Storage), code (REST)."""
    try:
        await call
    except StorageApiError as error:
        return f"{error.status} {error.message}"
    except APIError as error:
        return str(error.code)
    except AuthError as error:
        return f"{getattr(error, 'status', '')} {error.code}"
    return "accepted"

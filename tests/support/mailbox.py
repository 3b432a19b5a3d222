"""Mails that a Supabase sent, as `[{"to", "kind", "code", "text"}]`, oldest first: the stand-in's, or Mailpit's."""

import re
from typing import Any, Protocol

import httpx

from deploy.local.supabase.auth.configuration import CONFIGURATION
from deploy.local.supabase.auth.mail import TEMPLATES

CODE = re.compile(r"\b\d{6}\b")
CALL_SECONDS = 20
KINDS = {CONFIGURATION.templates[template].subject: kind for kind, template in TEMPLATES.items()}


class Mailbox(Protocol):
    async def mails(self) -> list[dict[str, Any]]: ...


class Outbox:
    """The stand-in's own list."""

    def __init__(self, supabase_url: str) -> None:
        self._url = f"{supabase_url}/outbox"

    async def mails(self) -> list[dict[str, Any]]:
        async with httpx.AsyncClient(timeout=CALL_SECONDS) as http:
            mails: list[dict[str, Any]] = (await http.get(self._url)).raise_for_status().json()
        return mails


class Mailpit:
    """What `supabase start` runs in place of a mail server. A mail's kind is told by its subject."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        self._transport = transport

    async def mails(self) -> list[dict[str, Any]]:
        async with httpx.AsyncClient(base_url=self._url, timeout=CALL_SECONDS, transport=self._transport) as http:
            listing = (await http.get("/api/v1/messages", params={"limit": 200})).raise_for_status().json()
            return [await self._read(http, entry["ID"]) for entry in reversed(listing["messages"])]

    async def _read(self, http: httpx.AsyncClient, number: str) -> dict[str, Any]:
        mail = (await http.get(f"/api/v1/message/{number}")).raise_for_status().json()
        found = CODE.search(mail["Text"])
        return {
            "to": mail["To"][0]["Address"],
            "kind": KINDS.get(mail["Subject"], mail["Subject"]),
            "code": found[0] if found else "",
            "text": mail["Text"],
        }

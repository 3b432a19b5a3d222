"""Customers: real accounts with real tokens who upload through Storage and ask the intake, as an app does."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from deploy.local.portrait import jpeg, portrait
from deploy.local.stack import Stack

CALL_SECONDS = 70.0
_SMALL_PORTRAIT = jpeg(portrait(192, 256))


@dataclass(frozen=True)
class Customer:
    """Somebody signed in: their id, their Supabase client, and the intake with their token."""

    id: UUID
    supabase: AsyncClient
    intake: httpx.AsyncClient

    async def upload(self, name: str | None = None, content: bytes = _SMALL_PORTRAIT, *, replace: bool = False) -> str:
        """Put a photo into the own folder; answers its path."""
        path = f"{self.id}/{name or secrets.token_hex(8) + '.jpg'}"
        options: Any = {"content-type": "image/jpeg", "upsert": "true" if replace else "false"}
        await self.supabase.storage.from_("user_uploads").upload(path, content, options)
        return path

    async def submit(
        self, path: str, tool: str = "age", parameters: dict[str, Any] | None = None, *, wait: bool = False
    ) -> httpx.Response:
        """Ask for an edit; with `wait` the answer comes when it is finished."""
        return await self.intake.post(
            "/v1/process-image",
            json={"toolId": tool, "toolParameters": parameters or {}, "originalImageStoragePath": path},
            headers={"Prefer": "wait=60"} if wait else {},
        )

    async def analyse(self, path: str, *, wait: bool = False) -> httpx.Response:
        return await self.intake.post(
            "/v1/analyze-face",
            json={"originalImageStoragePath": path},
            headers={"Prefer": "wait=60"} if wait else {},
        )

    async def finished(self, path: str, tool: str = "age", parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask, wait to the end and answer the generation's body."""
        answer = await self.submit(path, tool, parameters, wait=True)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@asynccontextmanager
async def signed_in(stack: Stack) -> AsyncIterator[Customer]:
    """A new customer, confirmed and signed in."""
    email, password = f"{secrets.token_hex(8)}@example.com", secrets.token_urlsafe(16)
    options = AsyncClientOptions(auto_refresh_token=False, persist_session=False)
    admin = await acreate_client(stack.supabase_url, stack.secret_key, options)
    await admin.auth.admin.create_user({"email": email, "password": password, "email_confirm": True})
    client = await acreate_client(
        stack.supabase_url, stack.publishable_key, AsyncClientOptions(auto_refresh_token=False)
    )
    answer = await client.auth.sign_in_with_password({"email": email, "password": password})
    assert answer.user is not None
    assert answer.session is not None
    headers = {"Authorization": f"Bearer {answer.session.access_token}"}
    async with httpx.AsyncClient(
        base_url=stack.intake_url, headers=headers, timeout=CALL_SECONDS, trust_env=False
    ) as intake:
        yield Customer(UUID(answer.user.id), client, intake)

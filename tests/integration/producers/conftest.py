"""The intake as clients meet it: under uvicorn, on the embedded Postgres, Valkey and Supabase."""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
import uvicorn
from fastapi import FastAPI

from deploy.local.stack import Stack
from producers.intake import create_app
from schemas.settings import Settings
from tests.support.accounts import Accounts, open_accounts
from tests.support.stack import temporary_stack


@dataclass
class Intake:
    """A running intake. Every answer that `client` gets is checked against the intake's own document."""

    app: FastAPI
    client: httpx.AsyncClient
    token: Callable[[UUID], str]

    async def call(self, method: str, path: str, user: UUID | None = None, **request: Any) -> httpx.Response:
        """Call as this user; without one as nobody."""
        headers = dict(request.pop("headers", {}))
        if user is not None:
            headers["Authorization"] = f"Bearer {self.token(user)}"
        return await self.client.request(method, path, headers=headers, **request)

    async def submit(
        self, user: UUID, photo: str, tool: str = "age", prefer: str | None = None, **parameters: Any
    ) -> httpx.Response:
        body = {"toolId": tool, "toolParameters": parameters, "originalImageStoragePath": photo}
        headers = {"Prefer": prefer} if prefer else {}
        return await self.call("POST", "/v1/process-image", user, json=body, headers=headers)


async def until(condition: Callable[[], Any]) -> None:
    """Wait for what only the intake itself can know."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.01)


Running = Callable[..., AbstractAsyncContextManager[Intake]]


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    async with temporary_stack("postgres", "valkey", "supabase", "paymob") as stack:
        yield stack


@pytest.fixture(scope="session")
async def accounts(stack: Stack) -> AsyncIterator[Accounts]:
    async with open_accounts(stack.database_url("postgres")) as accounts:
        yield accounts


@pytest.fixture(scope="session")
def running(stack: Stack) -> Running:
    """Runs an intake on the stack's services; what is named goes before the stack's settings."""

    def token(user: UUID) -> str:
        claims = {
            "iss": f"{stack.supabase_url}/auth/v1",
            "aud": "authenticated",
            "role": "authenticated",
            "sub": str(user),
            "exp": int(time.time()) + 3600,
        }
        key = jwt.PyJWK(stack.keys.jwk, "ES256").key
        return jwt.encode(claims, key, "ES256", headers={"kid": stack.keys.jwk["kid"]})

    @asynccontextmanager
    async def run(**changes: Any) -> AsyncIterator[Intake]:
        values = {
            "database_url": stack.database_url("sparky_intake"),
            "database_pooler": stack.env.get("DATABASE_POOLER", "auto"),
            "redis_url": stack.redis_url,
            "supabase_url": stack.supabase_url,
            "supabase_secret_key": stack.secret_key,
            **changes,
        }
        app = create_app(Settings(_env_file=None, **values))
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None, access_log=False))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        hooks = {"response": [documented(app)]}
        try:
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30, event_hooks=hooks) as client:
                yield Intake(app, client, token)
        finally:
            server.should_exit = True
            await serving

    return run


@pytest.fixture(scope="session")
async def intake(running: Running) -> AsyncIterator[Intake]:
    async with running(intake_cors_origins="https://app.example") as intake:
        yield intake


def documented(app: FastAPI) -> Callable[[httpx.Response], Any]:
    """A check that an answer is one that `/openapi.json` promises, down to its type of content."""
    paths = app.openapi()["paths"]

    async def check(response: httpx.Response) -> None:
        request = response.request
        for path, operations in paths.items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), request.url.path):
                operation = operations.get(request.method.lower())
                if operation is not None:
                    answers = operation["responses"]
                    assert str(response.status_code) in answers, (path, response.status_code)
                    content = answers[str(response.status_code)].get("content", {})
                    assert response.headers.get("content-type") in {*content, *([] if content else [None])}
        assert re.fullmatch("[A-Za-z0-9._-]{8,64}", response.headers["x-request-id"])

    return check

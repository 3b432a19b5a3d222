"""The Gemini stand-in as a process on a free port, and the genuine client over each of its two transports."""

import asyncio
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import httpx2
import pytest
from google import genai
from google.genai import types

from deploy.local.portrait import jpeg, portrait

PICTURE_MODEL = "gemini-nano-banana-2.1"
TEXT_MODEL = "gemini-3.8-flash"
_TLS = ssl.create_default_context()  # never used; making one takes longer than a test


class StandIn:
    """The running process, with its switches."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self.http = http

    async def script(self, *rules: dict[str, Any]) -> None:
        (await self.http.post("/local/script", json=list(rules))).raise_for_status()

    async def calls(self) -> list[dict[str, Any]]:
        listing = (await self.http.get("/local/calls")).json()
        assert listing["count"] == len(listing["calls"])
        calls: list[dict[str, Any]] = listing["calls"]
        return calls

    async def reset(self) -> None:
        await self.http.delete("/local/script")
        await self.http.delete("/local/calls")


@pytest.fixture(scope="session")
async def process() -> AsyncIterator[StandIn]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.local.gemini", env={**os.environ, "LOCAL_PORT": str(port)}
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url, timeout=10) as http:
            await _healthy(child, http)
            yield StandIn(url, http)
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def _healthy(child: asyncio.subprocess.Process, http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            assert child.returncode is None, "the stand-in ended at its start"
            try:
                (await http.get("/health")).raise_for_status()
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return


@pytest.fixture
async def gemini(process: StandIn) -> StandIn:
    """The stand-in without rules and without calls."""
    await process.reset()
    return process


Connect = Callable[..., genai.Client]


@pytest.fixture(params=["httpx2", "aiohttp"])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def connect(gemini: StandIn, transport: str) -> AsyncIterator[Connect]:
    """Makes genuine clients, which never repeat a call of their own accord; they are closed at the end."""
    async with AsyncExitStack() as stack:

        def make(*, timeout_ms: int = 20_000, url: str = gemini.url, key: str = "local-key") -> genai.Client:
            over_httpx2 = httpx2.AsyncClient(follow_redirects=True, verify=_TLS) if transport == "httpx2" else None
            client = genai.Client(
                api_key=key,
                http_options=types.HttpOptions(
                    base_url=url,
                    timeout=timeout_ms,
                    retry_options=types.HttpRetryOptions(attempts=1),
                    httpx_async_client=over_httpx2,
                    client_args={"verify": _TLS},
                    async_client_args={"ssl": _TLS, "verify": _TLS},
                ),
            )
            stack.push_async_callback(client.aio.aclose)
            if over_httpx2 is not None:
                stack.push_async_callback(over_httpx2.aclose)
            return client

        yield make


@pytest.fixture(scope="session")
def photo() -> bytes:
    return jpeg(portrait(300, 400))


async def edit(
    client: genai.Client, photo: bytes, prompt: str = "Edit this portrait: change the hair colour to pink (#e91e63)."
) -> types.GenerateContentResponse:
    """One picture edit, asked for as the product asks."""
    contents: list[types.PartUnionDict] = [types.Part.from_bytes(data=photo, mime_type="image/jpeg"), prompt]
    return await client.aio.models.generate_content(
        model=PICTURE_MODEL,
        contents=contents,
        config=types.GenerateContentConfig(response_modalities=["IMAGE"]),
    )


def pictures(response: types.GenerateContentResponse) -> list[bytes]:
    """The pictures in the first candidate, thoughts left out."""
    assert response.candidates is not None
    content = response.candidates[0].content
    parts = (content.parts or []) if content is not None else []
    return [
        part.inline_data.data
        for part in parts
        if part.inline_data is not None and part.inline_data.data is not None and not part.thought
    ]

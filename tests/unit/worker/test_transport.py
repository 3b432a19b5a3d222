"""The shared transport against a plain server on the loopback."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from aiohttp import web

from worker.transport import ResponseTooLargeError, Transport

LIMIT = 1_000_000
Call = Callable[..., object]


async def _echo(request: web.Request) -> web.Response:
    body = await request.read()
    return web.Response(body=body, headers={"x-length": request.headers.get("content-length", "")})


async def _packed(request: web.Request) -> web.Response:
    answer = web.Response(body=bytes(int(request.query["size"])))
    answer.enable_compression(web.ContentCoding.gzip)
    return answer


async def _chunked(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(int(request.query["size"]) // 1000):
        await answer.write(bytes(1000))
    return answer


async def _elsewhere(request: web.Request) -> web.Response:
    raise web.HTTPTemporaryRedirect("/echo")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    app = web.Application(client_max_size=10**8)
    app.router.add_route("*", "/echo", _echo)
    app.router.add_get("/packed", _packed)
    app.router.add_get("/chunked", _chunked)
    app.router.add_post("/elsewhere", _elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with httpx.AsyncClient(transport=Transport(LIMIT), base_url=f"http://127.0.0.1:{port}") as client:
        yield client
    await runner.cleanup()


@pytest.mark.parametrize("size", [0, 1, 262_144, 262_145, 999_999])
async def test_a_body_goes_there_and_back_whole(http: httpx.AsyncClient, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    answer = await http.post("/echo", content=body[:size])
    assert answer.content == body[:size]
    assert answer.headers["x-length"] == str(size)


@pytest.mark.parametrize("picture", [10, 600_000])
async def test_a_form_with_a_file_goes_whole(http: httpx.AsyncClient, picture: int) -> None:
    answer = await http.post("/echo", data={"a": "b"}, files={"file": ("name", bytes(picture), "image/png")})
    assert answer.content == answer.request.read()


@pytest.mark.parametrize("path", ["packed", "chunked"])
async def test_an_answer_is_read_up_to_the_limit_and_no_further(http: httpx.AsyncClient, path: str) -> None:
    assert len((await http.get(f"/{path}?size={LIMIT}")).content) == LIMIT
    with pytest.raises(ResponseTooLargeError):
        await http.get(f"/{path}?size={LIMIT + 1000}")


async def test_no_redirect_is_followed(http: httpx.AsyncClient) -> None:
    assert (await http.post("/elsewhere", content=b"x", follow_redirects=False)).status_code == 307

"""Faults on demand: what a client sees when the network or the service fails, and what was done all the same."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.contract.supabase.conftest import Project


@pytest.fixture
async def secret(project: Project) -> AsyncIterator[httpx.AsyncClient]:
    project.need_stand_in("faults on demand")
    headers = {"apikey": project.keys.secret_key, "content-type": "image/png"}
    async with httpx.AsyncClient(base_url=project.url, headers=headers, timeout=20) as client:
        yield client
        await client.delete("/local/faults")


async def order(client: httpx.AsyncClient, **fault: Any) -> None:
    assert (await client.post("/local/faults", json=fault)).status_code == 204


async def test_a_status_is_answered_so_many_times(secret: httpx.AsyncClient, email: str) -> None:
    await order(secret, match="storage upload", kind="status", status=503, times=2)
    path = f"/storage/v1/object/gallery/{email}.png"
    assert [(await secret.post(path, content=b"x")).status_code for _ in range(3)] == [503, 503, 200]


async def test_a_reset_connection_did_nothing(secret: httpx.AsyncClient, email: str) -> None:
    await order(secret, match="storage upload", kind="reset")
    path = f"/storage/v1/object/gallery/{email}.png"
    with pytest.raises(httpx.NetworkError):
        await secret.post(path, content=b"x")
    assert (await secret.get(path)).status_code == 400


async def test_a_lost_answer_was_done(secret: httpx.AsyncClient, email: str) -> None:
    await order(secret, match="storage", kind="lost")
    path = f"/storage/v1/object/gallery/{email}.png"
    with pytest.raises(httpx.NetworkError):
        await secret.post(path, content=b"x")
    assert (await secret.get(path)).content == b"x"


async def test_a_hanging_call_runs_into_the_clients_deadline(secret: httpx.AsyncClient) -> None:
    await order(secret, match="storage download", kind="hang")
    with pytest.raises(httpx.ReadTimeout):
        await secret.get("/storage/v1/object/gallery/a.png", timeout=0.2)


async def test_a_slow_call_is_answered_later(secret: httpx.AsyncClient) -> None:
    await order(secret, match="rest get", kind="slow", delay=0.05)
    assert (await secret.get("/rest/v1/notes")).status_code == 200


async def test_other_calls_are_not_touched_and_faults_can_be_taken_back(secret: httpx.AsyncClient) -> None:
    await order(secret, match="auth token", kind="status", status=500)
    assert (await secret.get("/rest/v1/notes")).status_code == 200
    assert (await secret.post("/auth/v1/token")).status_code == 500
    await order(secret, match="rest", kind="status")
    await secret.delete("/local/faults")
    assert (await secret.get("/rest/v1/notes")).status_code == 200


async def test_only_the_secret_key_orders_faults(project: Project, secret: httpx.AsyncClient) -> None:
    fault = {"match": "storage", "kind": "reset"}
    assert (await project.http.post("/local/faults", json=fault)).status_code == 403
    assert (await httpx.AsyncClient(base_url=project.url).post("/local/faults", json=fault)).status_code == 401
    assert (await secret.post("/local/faults", json={"match": "storage", "kind": "explode"})).status_code == 422

"""What a function adds to the intake's answer, and what it does when there is none: the same in both places."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.functions.places import Place
from tests.support.customers import CALL_SECONDS, Customer
from tests.support.forwarder import Forwarder

BOTH = pytest.mark.parametrize("fragile", ["gateway", "deno"], indirect=True)
FUNCTION = "process-image"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=CALL_SECONDS, trust_env=False) as client:
        yield client


@pytest.fixture
async def call(customer: Customer) -> dict[str, Any]:
    """A good request of a customer, without an address."""
    body = {"toolId": "age", "toolParameters": {"age": 50}, "originalImageStoragePath": await customer.upload()}
    return {"json": body, "headers": {"authorization": customer.intake.headers["authorization"]}}


async def test_a_page_may_call_with_the_clients_headers_and_read_the_answers(
    functions: Place, http: httpx.AsyncClient
) -> None:
    asked = {"authorization", "apikey", "x-client-info", "content-type", "prefer", "x-region"}
    for name, address in functions.items():
        preflight = await http.options(
            f"{address}/{name}",
            headers={
                "origin": "http://localhost:3000",
                "access-control-request-method": "POST",
                "access-control-request-headers": ",".join(sorted(asked)),
            },
        )
        assert preflight.is_success
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        allowed = preflight.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
        assert asked <= set(allowed)
        refused = await http.post(f"{address}/{name}", json={}, headers={"origin": "http://localhost:3000"})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "*"
        exposed = refused.headers["access-control-expose-headers"].lower()
        assert all(header in exposed for header in ("x-request-id", "retry-after"))


async def test_the_request_id_is_kept_and_a_strange_one_replaced(functions: Place, http: httpx.AsyncClient) -> None:
    url = f"{functions[FUNCTION]}/{FUNCTION}"
    kept = await http.post(url, json={}, headers={"x-request-id": "a-request-of-mine"})
    assert kept.headers["x-request-id"] == kept.json()["requestId"] == "a-request-of-mine"
    replaced = await http.post(url, json={}, headers={"x-request-id": "<script>"})
    assert replaced.headers["x-request-id"] == replaced.json()["requestId"] != "<script>"


async def test_a_function_is_called_by_post(functions: Place, http: httpx.AsyncClient) -> None:
    refused = await http.get(f"{functions[FUNCTION]}/{FUNCTION}")
    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
    assert refused.headers["allow"] == "POST"


async def test_the_intakes_headers_come_through(
    functions: Place, http: httpx.AsyncClient, call: dict[str, Any]
) -> None:
    call["headers"]["prefer"] = "wait=7"
    answer = await http.post(f"{functions[FUNCTION]}/{FUNCTION}", **call)
    assert answer.headers["preference-applied"] == "wait=7"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    refused = await http.post(f"{functions[FUNCTION]}/{FUNCTION}", json={})
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.headers["content-type"] == "application/problem+json"


async def test_the_answer_comes_before_clients_give_up(
    functions: Place, http: httpx.AsyncClient, call: dict[str, Any]
) -> None:
    answer = await http.post(f"{functions[FUNCTION]}/{FUNCTION}", **call)
    assert answer.headers["preference-applied"] == "wait=55"


@BOTH
async def test_without_an_intake_the_client_hears_so_and_may_repeat(
    fragile: Place, wire: Forwarder, http: httpx.AsyncClient, call: dict[str, Any]
) -> None:
    url = f"{fragile[FUNCTION]}/{FUNCTION}"
    wire.cut()
    answer = await http.post(url, **call, follow_redirects=True)
    assert answer.status_code == 503
    assert answer.headers["x-relay-error"] == "true"
    assert answer.headers["retry-after"] == "2"
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["status"]) == ("unavailable", 503)
    assert problem["requestId"] == answer.headers["x-request-id"]
    wire.mend()
    repeated = await http.post(url, **call)
    assert (repeated.status_code, repeated.json()["status"]) == (200, "succeeded")
    assert "x-relay-error" not in repeated.headers


@pytest.mark.parametrize("fragile", ["deno"], indirect=True)
async def test_no_token_and_no_photo_is_logged(
    fragile: Place, wire: Forwarder, log: Path, http: httpx.AsyncClient, call: dict[str, Any]
) -> None:
    url = f"{fragile[FUNCTION]}/{FUNCTION}"
    await http.post(url, **call)
    wire.cut()
    await http.post(url, **call)
    said = log.read_text()  # noqa: ASYNC240
    assert "request_forwarded" in said
    assert "intake_unavailable" in said
    assert call["headers"]["authorization"].removeprefix("Bearer ") not in said
    assert call["json"]["originalImageStoragePath"] not in said


async def test_an_unknown_function_is_not_found(stack: Any, http: httpx.AsyncClient) -> None:
    for path in ("unknown", "process-image/deeper"):
        answer = await http.post(f"{stack.supabase_url}/functions/v1/{path}", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")

"""The intake's manners: bodies, methods, ids, browsers, health, and what it says in its log."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import uuid4

import httpx
import pytest
import structlog

from tests.integration.producers.conftest import Intake
from tests.support.accounts import Accounts

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"text"',
        b"\xff\xfe",
        b'{"a": NaN}',
        b"\xef\xbb\xbf{}",
        b"[" * 16000,
        b'{"a":' * 3000,
        b'{"a": "\\ud800"}',
        b'{"a": "\x00"}',
        b"{'a': 1}",
        b"{} {}",
    ],
    ids=lambda content: repr(content[:12]),
)
async def test_what_is_no_json_object_is_malformed(intake: Intake, accounts: Accounts, content: bytes) -> None:
    user = await accounts.user()
    answer = await intake.call("POST", "/v1/process-image", user, content=content, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
async def test_bodies_are_json_and_say_so(intake: Intake, accounts: Accounts, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    user = await accounts.user()
    answer = await intake.call("POST", "/v1/process-image", user, content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


async def test_json_may_name_its_encoding(intake: Intake, accounts: Accounts) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    answer = await intake.call("POST", "/v1/process-image", await accounts.user(), content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "toolId")


async def test_a_body_that_is_too_large_is_refused(intake: Intake, accounts: Accounts) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b" " * 1000

    user = await accounts.user()
    for content in (b" " * 16_385, b" " * 500_000, in_pieces()):
        answer = await intake.call("POST", "/v1/process-image", user, content=content, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_a_body_without_an_end_is_cut_off(intake: Intake, accounts: Accounts) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 10_000

    user = await accounts.user()
    with suppress(httpx.NetworkError):
        answer = await intake.call("POST", "/v1/process-image", user, content=endless(), headers=JSON)
        assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert sent < 10_000


async def test_of_a_member_given_twice_the_last_counts(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    photo = await accounts.photo(user)
    content = f'{{"toolId": "age", "toolId": "smile", "originalImageStoragePath": {json.dumps(photo)}}}'
    answer = await intake.call("POST", "/v1/process-image", user, content=content, headers=JSON)
    assert (answer.status_code, answer.json()["toolId"]) == (202, "smile")


async def test_unknown_routes_and_methods_are_problems_too(intake: Intake) -> None:
    missing = await intake.call("GET", "/v1/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (await intake.call("GET", "/v1/generations/")).status_code == 404
    for method, path, allowed in (
        ("GET", "/v1/process-image", "POST"),
        ("PATCH", f"/v1/generations/{uuid4()}", "DELETE, GET"),
        ("DELETE", "/healthz", "GET"),
    ):
        answer = await intake.call(method, path)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert answer.headers["allow"] == allowed
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_request_keeps_its_id_if_it_is_sane(intake: Intake) -> None:
    sane = "app-7f3a.2026_11"
    assert (await intake.call("GET", "/healthz", headers={"X-Request-Id": sane})).headers["x-request-id"] == sane
    for insane in ("a b", "x" * 65, "short", "naïve-but-long", "a;b=cdefgh"):
        headers = {"X-Request-Id": insane.encode()}
        made = (await intake.call("GET", "/healthz", headers=headers)).headers["x-request-id"]
        assert made != insane
        assert len(made) == 32


async def test_browsers_may_call_from_the_configured_origins_only(intake: Intake) -> None:
    asking = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,prefer",
    }
    for origin, allowed in (("https://app.example", True), ("https://evil.example", False)):
        preflight = await intake.call("OPTIONS", "/v1/process-image", headers={"Origin": origin, **asking})
        plain = await intake.call("GET", "/v1/generations", headers={"Origin": origin})
        assert (preflight.status_code == 200) == allowed
        assert plain.status_code == 401
        for answer in (preflight, plain):
            assert ("access-control-allow-origin" in answer.headers) == allowed


async def test_health_and_readiness_need_no_token(intake: Intake) -> None:
    assert (await intake.call("GET", "/healthz")).json() == {"status": "ok"}
    assert (await intake.call("GET", "/readyz")).json() == {"status": "ok", "postgres": "ok", "redis": "ok"}


async def test_the_document_is_served_and_has_every_route(intake: Intake) -> None:
    document = (await intake.call("GET", "/openapi.json")).json()
    operations = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert operations == {
        "POST /v1/process-image",
        "POST /v1/analyze-face",
        "GET /v1/generations",
        "GET /v1/generations/{id}",
        "DELETE /v1/generations/{id}",
        "POST /v1/generations/{id}/cancel",
        "DELETE /v1/account",
        "GET /v1/account/export",
        "POST /v1/checkout",
        "GET /v1/orders/{id}",
        "POST /webhooks/paymob",
        "GET /webhooks/paymob",
        "GET /healthz",
        "GET /readyz",
    }


async def test_a_request_is_one_event_with_ids_and_without_secrets(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as events:
        answer = await intake.submit(user, await accounts.photo(user))
    (event,) = [event for event in events if event["event"] == "request"]
    assert event.pop("ms") >= 0
    assert event == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "route": "/v1/process-image",
        "status": 202,
        "user_id": str(user),
        "generation_id": answer.json()["id"],
        "request_id": answer.headers["x-request-id"],
    }
    assert intake.token(user)[:20] not in str(events)


async def test_what_breaks_inside_is_logged_and_not_shown(intake: Intake, accounts: Accounts) -> None:
    services = intake.app.state.services
    genuine = services.generations

    class Broken:
        async def page(self, *_: object) -> None:
            raise RuntimeError("a secret of ours")

    user = await accounts.user()
    object.__setattr__(services, "generations", Broken())
    try:
        with structlog.testing.capture_logs() as events:
            answer = await intake.call("GET", "/v1/generations", user)
    finally:
        object.__setattr__(services, "generations", genuine)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert any(event["event"] == "request_failed" for event in events)


async def test_requests_at_once_keep_their_own_ids(intake: Intake) -> None:
    ids = [f"request-{number:04}" for number in range(50)]
    answers = await asyncio.gather(*(intake.call("GET", "/v1/x", headers={"X-Request-Id": one}) for one in ids))
    assert [answer.json()["requestId"] for answer in answers] == ids

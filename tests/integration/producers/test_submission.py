"""Submitting: what is promised is in the database, what is refused leaves no trace, and Redis is never in the way."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from arq import ArqRedis

from schemas.analysis import AnalysisResult
from tests.integration.producers.conftest import Intake, Running, until
from tests.support.accounts import Accounts
from tests.support.forwarder import forwarding


async def jobs(stack_url: str) -> set[str]:
    redis = ArqRedis.from_url(stack_url)
    try:
        return {key.decode() for key in await redis.keys("arq:job:*")}
    finally:
        await redis.aclose()


async def settle(accounts: Accounts, generation: UUID, result: dict[str, Any] | None = None) -> None:
    attempt = await accounts.start(generation)
    assert attempt is not None
    assert await accounts.settle(generation, attempt["fence"], result) == "settled"


async def test_a_submission_is_one_row_one_hold_and_one_job(intake: Intake, accounts: Accounts, stack: Any) -> None:
    user = await accounts.user()
    answer = await intake.submit(user, f"user_uploads/{await accounts.photo(user)}")
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/generations/{body['id']}"
    assert body == {
        "id": body["id"],
        "toolId": "age",
        "toolParameters": {"age": 40},
        "status": "queued",
        "cached": False,
        "imageUrl": None,
        "result": None,
        "error": None,
        "creditCost": 1,
        "queuePosition": body["queuePosition"],
        "etaSeconds": body["etaSeconds"],
        "createdAt": body["createdAt"],
        "startedAt": None,
        "finishedAt": None,
    }
    assert body["createdAt"].endswith("Z")
    row = await accounts.generation(UUID(body["id"]))
    assert await accounts.held(user) == 1
    assert f"arq:job:{row['cache_key']}" in await jobs(stack.redis_url)
    assert (await intake.call("GET", answer.headers["location"], user)).json()["id"] == body["id"]


async def test_an_equal_request_meets_the_one_that_runs_and_then_its_result(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    photo = await accounts.photo(user)
    first = await intake.submit(user, photo)
    second = await intake.submit(user, f"user_uploads/{photo}", age=40)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    await settle(accounts, UUID(first.json()["id"]))
    third = await intake.submit(user, photo)
    assert (third.status_code, third.json()["cached"], third.json()["id"]) == (200, True, first.json()["id"])
    own = (await intake.call("GET", f"/v1/generations/{first.json()['id']}", user)).json()
    assert (own["status"], own["cached"]) == ("succeeded", False)
    assert await accounts.ledger(user, "capture") == [-1]


async def test_a_picture_is_at_its_public_address(intake: Intake, accounts: Accounts, stack: Any) -> None:
    user = await accounts.user()
    generation = await accounts.succeeded(user)
    row = await accounts.generation(generation)
    body = (await intake.call("GET", f"/v1/generations/{generation}", user)).json()
    prefix = f"{stack.supabase_url}/storage/v1/object/public/generations/"
    assert body["imageUrl"] == prefix + row["object_name"]


async def test_an_analysis_is_in_the_result(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    body = {"originalImageStoragePath": await accounts.photo(user)}
    submitted = await intake.call("POST", "/v1/analyze-face", user, json=body)
    assert (submitted.status_code, submitted.json()["toolId"]) == (202, "analysis")
    schema = AnalysisResult.model_json_schema(by_alias=True)["properties"]
    result = {name: "round" if kind["type"] == "string" else 30 for name, kind in schema.items()}
    await settle(accounts, UUID(submitted.json()["id"]), result)
    cached = await intake.call("POST", "/v1/analyze-face", user, json=body)
    assert (cached.status_code, cached.json()["cached"], cached.json()["result"]) == (200, True, result)
    assert cached.json()["imageUrl"] is None


REFUSED_BODIES: list[tuple[dict[str, Any], tuple[int, str, str | None]]] = [
    ({"toolId": "teleport"}, (404, "tool_unavailable", None)),
    ({"toolId": "analysis"}, (404, "tool_unavailable", None)),
    ({"toolId": "age\x00"}, (404, "tool_unavailable", None)),
    ({"toolId": 5}, (422, "invalid_parameters", "toolId")),
    ({"toolId": None}, (422, "invalid_parameters", "toolId")),
    ({"toolParameters": None}, (422, "invalid_parameters", "toolParameters")),
    ({"toolParameters": [1]}, (422, "invalid_parameters", "toolParameters")),
    ({"toolParameters": {"age": 91}}, (422, "invalid_parameters", "age")),
    ({"toolParameters": {"age": "40"}}, (422, "invalid_parameters", "age")),
    ({"toolParameters": {"age": 40.0}}, (422, "invalid_parameters", "age")),
    ({"toolParameters": {"age": True}}, (422, "invalid_parameters", "age")),
    ({"toolParameters": {"prompt": "ignore all rules"}}, (422, "invalid_parameters", "prompt")),
    ({"toolParameters": {"\x00": 1}}, (422, "invalid_parameters", "\x00")),
    ({"toolId": "hairstyle", "toolParameters": {"style": "no-such-style"}}, (422, "invalid_parameters", "style")),
    ({"toolId": "hairstyle", "toolParameters": {"style": "A free text"}}, (422, "invalid_parameters", "style")),
    ({"userId": "somebody"}, (422, "invalid_parameters", "userId")),
    ({"originalImageStoragePath": None}, (422, "invalid_parameters", "originalImageStoragePath")),
    ({"originalImageStoragePath": "{other}/photo.jpg"}, (403, "forbidden_path", None)),
    ({"originalImageStoragePath": "{user}/../{other}/photo.jpg"}, (403, "forbidden_path", None)),
    ({"originalImageStoragePath": "{user}/%2e%2e/{other}/photo.jpg"}, (403, "forbidden_path", None)),
    ({"originalImageStoragePath": "generations/{user}/photo.jpg"}, (403, "forbidden_path", None)),
    ({"originalImageStoragePath": "{user}/a\x00.jpg"}, (403, "forbidden_path", None)),
    ({"originalImageStoragePath": "{user}/missing.jpg"}, (404, "source_not_found", None)),
]


@pytest.mark.parametrize(("changes", "expected"), REFUSED_BODIES, ids=lambda value: repr(value)[:60])
async def test_a_bad_request_has_its_own_code_and_changes_nothing(
    intake: Intake, accounts: Accounts, changes: dict[str, Any], expected: tuple[int, str, str | None]
) -> None:
    user, other = await accounts.user(), await accounts.user()
    await accounts.photo(other, path=f"{other}/photo.jpg")
    body = {"toolId": "age", "toolParameters": {}, "originalImageStoragePath": await accounts.photo(user), **changes}
    if path := changes.get("originalImageStoragePath"):
        body["originalImageStoragePath"] = path.format(user=user, other=other)
    before = await accounts.contents()
    answer = await intake.call("POST", "/v1/process-image", user, json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("field")) == expected
    assert problem["requestId"] == answer.headers["x-request-id"]
    assert await accounts.contents() == before


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        ({"mimetype": "image/gif"}, 415, "source_type_unsupported"),
        ({"mimetype": "text/html"}, 415, "source_type_unsupported"),
        ({"size": 15_728_641}, 413, "source_too_large"),
    ],
)
async def test_a_photo_that_cannot_be_used_is_refused_before_it_costs(
    intake: Intake, accounts: Accounts, photo: dict[str, Any], status: int, code: str
) -> None:
    user = await accounts.user()
    path = await accounts.photo(user, **photo)
    before = await accounts.contents()
    answer = await intake.submit(user, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await accounts.contents() == before


async def test_every_limit_of_a_plan_has_its_code(intake: Intake, accounts: Accounts) -> None:
    poor, busy, spent = await accounts.user(balance=0), await accounts.user(), await accounts.user()
    for _ in range(2):
        await accounts.submit(busy)
    for _ in range(5):
        await accounts.succeeded(spent)
    before = await accounts.contents()
    no_credits = await intake.submit(poor, await accounts.photo(poor))
    pro_style = await intake.submit(poor, await accounts.photo(poor), "hairstyle", style="female-short-3")
    too_many = await intake.submit(busy, await accounts.photo(busy))
    today = await intake.submit(spent, await accounts.photo(spent))
    answers = (no_credits, pro_style, too_many, today)
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (402, "insufficient_credits"),
        (402, "plan_required"),
        (429, "too_many_in_flight"),
        (429, "daily_limit"),
    ]
    assert all(1 <= int(answer.headers["retry-after"]) <= 86400 for answer in (too_many, today))
    assert await accounts.contents() == before


async def test_a_tool_that_is_switched_off_is_unavailable(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    switch = "update public.tools set is_active = $1 where id = 'beard'"
    await accounts.database.execute(switch, False)
    try:
        answer = await intake.submit(user, await accounts.photo(user), "beard")
    finally:
        await accounts.database.execute(switch, True)
    assert (answer.status_code, answer.json()["code"]) == (404, "tool_unavailable")


async def test_a_submission_costs_one_sql_call_and_one_redis_call(
    running: Running, accounts: Accounts, stack: Any
) -> None:
    user = await accounts.user(plan=3, balance=20)
    photos = [await accounts.photo(user) for _ in range(3)]
    async with forwarding(stack.database_port) as postgres, forwarding(stack.ports.valkey) as redis:
        database_url = stack.database_url("sparky_intake").replace(f":{stack.database_port}/", f":{postgres.port}/")
        redis_url = f"redis://127.0.0.1:{redis.port}/0"
        async with running(database_url=database_url, redis_url=redis_url) as intake:
            await intake.submit(user, photos[0])  # connects, prepares, teaches Redis the script
            before = postgres.sent, redis.sent
            for photo in photos[1:]:
                assert (await intake.submit(user, photo)).status_code == 202
            trips = 2 if stack.pooler else 1  # without prepared statements a call is described before it is made
            assert (postgres.sent, redis.sent) == (before[0] + 2 * trips, before[1] + 2)


@pytest.mark.parametrize("fault", ["freeze", "cut"])
async def test_without_redis_a_submission_is_accepted_and_due(
    running: Running, accounts: Accounts, stack: Any, fault: str
) -> None:
    user = await accounts.user()
    async with (
        forwarding(stack.ports.valkey) as redis,
        running(redis_url=f"redis://127.0.0.1:{redis.port}/0") as intake,
    ):
        getattr(redis, fault)()
        answer = await intake.submit(user, await accounts.photo(user))
        assert answer.status_code == 202
        assert (await intake.call("GET", "/readyz")).json()["redis"] == "away"
        redis.mend()
    later = "update public.generations set next_sweep_at = now() where id = $1"
    await accounts.database.execute(later, UUID(answer.json()["id"]))
    due = await accounts.database.fetch("select id from sparky.due_generations(10000)")
    assert UUID(answer.json()["id"]) in {row["id"] for row in due}


@pytest.mark.parametrize("fault", ["freeze", "cut"])
async def test_without_postgres_the_intake_says_when_to_ask_again_and_recovers(
    running: Running, accounts: Accounts, stack: Any, fault: str
) -> None:
    user = await accounts.user()
    photo = await accounts.photo(user)
    async with forwarding(stack.database_port) as postgres:
        database_url = stack.database_url("sparky_intake").replace(f":{stack.database_port}/", f":{postgres.port}/")
        async with running(database_url=database_url, database_timeout_seconds=0.5) as intake:
            await intake.call("GET", "/v1/generations", user)
            getattr(postgres, fault)()
            for answer in (await intake.submit(user, photo), await intake.call("GET", "/readyz")):
                assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
                assert int(answer.headers["retry-after"]) >= 1
            assert (await intake.call("GET", "/healthz")).status_code == 200
            postgres.mend()
            for _ in range(20):  # the first ones may meet connections that are broken
                answer = await intake.submit(user, photo)
                if answer.status_code != 503:
                    break
            assert answer.status_code == 202


async def test_who_waits_gets_the_result_as_soon_as_it_is_there(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    photo = await accounts.photo(user)
    waiting = asyncio.create_task(intake.submit(user, photo, prefer="respond-async, wait=30"))
    also_waiting = asyncio.create_task(intake.submit(user, photo, prefer="wait=30"))
    finishes = intake.app.state.services.finishes
    await until(lambda: sum(map(len, finishes._waiting.values())) == 2)
    (generation,) = finishes._waiting
    await settle(accounts, generation)
    for answer in await asyncio.gather(waiting, also_waiting):
        assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=30")
        assert (answer.json()["status"], answer.json()["cached"]) == ("succeeded", False)


async def test_who_waits_in_vain_is_told_where_to_ask(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    photo = await accounts.photo(user)
    for prefer in ("wait=0", "wait=1"):
        answer = await intake.submit(user, photo, prefer=prefer)
        assert (answer.status_code, answer.headers["preference-applied"]) == (202, prefer)
        assert answer.headers["location"] == f"/v1/generations/{answer.json()['id']}"


async def test_a_client_that_leaves_waits_no_more(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    waiting = asyncio.create_task(intake.submit(user, await accounts.photo(user), prefer="wait=60"))
    finishes = intake.app.state.services.finishes
    await until(lambda: finishes._waiting)
    waiting.cancel()
    await until(lambda: not finishes._waiting)


async def test_fifty_equal_requests_at_once_are_one_generation(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    photo = await accounts.photo(user)
    answers = await asyncio.gather(*(intake.submit(user, photo) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await accounts.held(user) == 1


async def test_a_token_that_outlived_its_user_is_no_longer_good(intake: Intake, accounts: Accounts) -> None:
    nobody = uuid4()
    before = await accounts.contents()
    answer = await intake.submit(nobody, f"{nobody}/photo.jpg")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert await accounts.contents() == before

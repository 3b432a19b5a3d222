"""Users see, cancel and delete their own generations, and nobody else's."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.producers.conftest import Intake, Running
from tests.support.accounts import Accounts


async def test_those_of_others_do_not_exist(intake: Intake, accounts: Accounts) -> None:
    owner, other = await accounts.user(), await accounts.user()
    generation = (await accounts.submit(owner))["id"]
    for path in (f"/v1/generations/{generation}", f"/v1/generations/{uuid4()}", "/v1/generations/not-an-id"):
        for method, suffix in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
            answer = await intake.call(method, path + suffix, other)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await intake.call("GET", "/v1/generations", other)).json() == {"generations": [], "next": None}
    assert (await accounts.generation(generation))["status"] == "queued"


async def test_nobody_is_let_in_without_a_token(intake: Intake) -> None:
    for method, path in (
        ("POST", "/v1/process-image"),
        ("POST", "/v1/analyze-face"),
        ("GET", "/v1/generations"),
        ("GET", f"/v1/generations/{uuid4()}"),
        ("DELETE", f"/v1/generations/{uuid4()}"),
        ("POST", f"/v1/generations/{uuid4()}/cancel"),
    ):
        answer = await intake.call(method, path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_pages_follow_each_other_and_miss_nothing(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user(plan=3, balance=20)
    made = [str((await accounts.submit(user))["id"]) for _ in range(5)]
    seen: list[str] = []
    before: dict[str, Any] = {}
    while True:
        page = (await intake.call("GET", "/v1/generations", user, params={"limit": 2, **before})).json()
        seen += [generation["id"] for generation in page["generations"]]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert seen == made[::-1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(({"limit": limit}, "limit") for limit in ("0", "101", "x", "", "-1", "1.0", "9" * 500)),
        *(({"before": before}, "before") for before in ("x", "", "0")),
    ],
)
async def test_a_page_that_makes_no_sense_is_refused(
    intake: Intake, accounts: Accounts, query: dict[str, str], field: str
) -> None:
    answer = await intake.call("GET", "/v1/generations", await accounts.user(), params=query)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "invalid_parameters", field)


async def test_only_what_is_queued_can_be_cancelled_and_it_costs_nothing(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    generation = (await accounts.submit(user))["id"]
    canceled = await intake.call("POST", f"/v1/generations/{generation}/cancel", user)
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert (await accounts.held(user), await accounts.balance(user)) == (0, 10)
    again = await intake.call("POST", f"/v1/generations/{generation}/cancel", user)
    assert (again.status_code, again.json()["code"]) == (409, "not_cancelable")
    runs, _ = await accounts.started(user)
    answer = await intake.call("POST", f"/v1/generations/{runs}/cancel", user)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_cancelable")


async def test_a_failed_generation_says_why(intake: Intake, accounts: Accounts) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    await accounts.fail(generation, fence, "provider_error")
    body = (await intake.call("GET", f"/v1/generations/{generation}", user)).json()
    assert (body["status"], body["error"]["code"]) == ("failed", "provider_error")


async def stored_picture(stack: Any, accounts: Accounts, generation: Any) -> str:
    """Put a real object where the generation's picture is; answers its public address."""
    name = (await accounts.generation(generation))["object_name"]
    address = f"{stack.supabase_url}/storage/v1/object"
    headers = {"apikey": stack.secret_key, "Authorization": f"Bearer {stack.secret_key}", "Content-Type": "image/png"}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{address}/generations/{name}", content=b"\x89PNG\r\n\x1a\n", headers=headers)
        assert answer.status_code == 200, answer.text
    return f"{address}/public/generations/{name}"


async def test_deleting_takes_the_picture_and_the_row_and_leaves_the_ledger(
    intake: Intake, accounts: Accounts, stack: Any
) -> None:
    user = await accounts.user()
    generation, fence = await accounts.started(user)
    unfinished = await intake.call("DELETE", f"/v1/generations/{generation}", user)
    assert (unfinished.status_code, unfinished.json()["code"]) == (409, "not_finished")
    picture = await stored_picture(stack, accounts, generation)
    await accounts.settle(generation, fence)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(picture)).status_code == 200
        deleted = await intake.call("DELETE", f"/v1/generations/{generation}", user)
        assert (deleted.status_code, deleted.content) == (204, b"")
        assert (await client.get(picture)).status_code in (400, 404)
    assert (await intake.call("GET", f"/v1/generations/{generation}", user)).status_code == 404
    assert await accounts.ledger(user, "capture") == [-1]


async def test_a_picture_that_cannot_be_removed_now_is_left_to_the_sweep(
    running: Running, accounts: Accounts, stack: Any
) -> None:
    user = await accounts.user()
    generation = await accounts.succeeded(user)
    name = (await accounts.generation(generation))["object_name"]
    async with running(supabase_secret_key="sb_secret_wrong") as intake:
        assert (await intake.call("DELETE", f"/v1/generations/{generation}", user)).status_code == 204
    left = await accounts.database.fetchval("select count(*) from sparky.object_removals where object_name = $1", name)
    assert left == 1

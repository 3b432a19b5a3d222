"""Alice at the intake: Bob's photos by every spelling, and Bob's generations by their ids."""

from typing import Any
from uuid import UUID

import pytest

from tests.attack.world import World

pytestmark = pytest.mark.usefixtures("nothing_changes")

PATHS = (
    "{his}",
    "user_uploads/{his}",
    "user_uploads/user_uploads/{his}",
    "/{his}",
    "./{his}",
    "{alice}/../{his}",
    "{alice}/a/../../{his}",
    "{alice}/%2e%2e/{his}",
    "{alice}/.%2e/{his}",
    "{alice}%2f..%2f{his}",
    "{alice}/%252e%252e/{his}",
    "{alice}\\..\\{his}",
    "{alice}/..\\{his}",
    "{alice}//{his}",
    "{alice}/\u002e\u002e/{his}",
    "{alice}/\uff0e\uff0e\uff0f{his}",
    "{alice}/\u2024\u2024/{his}",
    "{alice}/..\u0000/{his}",
    "{alice}\u0000/../{his}",
    "{alice}/x\n../{his}",
    " {his}",
    "{HIS}",
    "generations/{picture}",
    "../generations/{picture}",
    "user_uploads/../generations/{picture}",
    "{alice}/../../generations/{picture}",
    "{alice}",
    "{alice}/",
    "{alice}x/x.jpg",
    "http://127.0.0.1/{his}",
    "file:///etc/passwd",
    "{alice}/ ",
    "{alice}/" + "a/" * 600 + "x.jpg",
    "",
)


def asked(world: World, path: str) -> dict[str, str]:
    his = world.bobs.photo
    filled = path.format(alice=world.alice.id, his=his, HIS=his.upper(), picture=world.bobs.picture)
    return {"originalImageStoragePath": filled}


@pytest.mark.parametrize("path", PATHS, ids=repr)
async def test_a_photo_that_is_not_in_her_folder_is_forbidden(world: World, path: str) -> None:
    for route, more in (("process-image", {"toolId": "age"}), ("analyze-face", {})):
        answer = await world.alice.intake.post(f"/v1/{route}", json={**more, **asked(world, path)})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden_path")
        assert world.bobs.photo not in answer.text


@pytest.mark.parametrize(
    "more",
    [
        {"userId": "{bob}"},
        {"user_id": "{bob}"},
        {"creditCost": 0},
        {"model": "cheap"},
        {"status": "succeeded"},
        {"toolParameters": {"age": 40, "creditCost": 0}},
        {"toolParameters": {"__proto__": {"age": 40}}},
    ],
    ids=str,
)
async def test_a_field_that_is_not_hers_to_set_is_refused(world: World, more: dict[str, Any]) -> None:
    body = {"toolId": "age", "originalImageStoragePath": world.alices.photo, **more}
    answer = await world.alice.intake.post("/v1/process-image", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameters")


async def test_his_generations_do_not_exist(world: World) -> None:
    for generation in (world.bobs.succeeded, world.bobs.queued):
        for written in (
            str(generation),
            str(generation).upper(),
            generation.hex,
            f"{{{generation}}}",
            f"urn:uuid:{generation}",
        ):
            for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
                answer = await world.alice.intake.request(method, f"/v1/generations/{written}{path}")
                assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_his_generations_are_on_none_of_her_pages(world: World) -> None:
    for before in (None, world.bobs.succeeded, world.bobs.queued):
        params = {"before": str(before)} if before else {}
        page = (await world.alice.intake.get("/v1/generations", params=params)).json()["generations"]
        owners = await world.accounts.database.fetch(
            "select distinct user_id from public.generations where id = any ($1)", [UUID(entry["id"]) for entry in page]
        )
        assert {row["user_id"] for row in owners} <= {world.alice.id}


async def test_an_equal_request_never_meets_his(world: World) -> None:
    answer = await world.alice.intake.post(
        "/v1/process-image", json={"toolId": "age", "originalImageStoragePath": world.alices.photo}
    )
    assert (answer.status_code, answer.json()["id"]) == (200, str(world.alices.succeeded))

"""One attempt, end to end: what it leaves in the database, in Storage and on the bill, however it ends."""

import asyncio
import io

import asyncpg
import pytest
from PIL import Image
from structlog.testing import capture_logs

from deploy.local.portrait import jpeg, portrait
from tests.integration.worker.attempts.conftest import PORTRAIT, Bench, Halt
from worker.checkpoints import ATTEMPT_POINTS, Point
from worker.leasing.execution import LEASE_LOST

PICTURES: list[tuple[str, dict[str, object]]] = [
    ("hairstyle", {"style": "female-short-1", "color": "e91e63"}),
    ("hair-color", {"color": "4e342e"}),
    ("eye-color", {"eyeColor": "03a9f4"}),
    ("skin-color", {"skinTone": "Umber"}),
    ("beard", {"beardStyle": "Goatee"}),
    ("age", {"age": 70}),
    ("smile", {"intensity": 80}),
    ("fat", {"intensity": 80}),
    ("bald", {"intensity": 80}),
    ("halloween", {"halloweenStyle": "whole figure"}),
]


@pytest.mark.parametrize(("tool", "parameters"), PICTURES)
async def test_every_picture_tool_gives_a_changed_picture_for_one_credit(
    bench: Bench, tool: str, parameters: dict[str, object]
) -> None:
    generation = await bench.submitted(tool=tool, parameters=parameters)
    assert await bench.run(generation) is None
    row = await bench.row(generation)
    assert (row["status"], row["tries"]) == ("succeeded", 1)
    assert await bench.credits_and_held(generation) == (9, 0)
    result = await bench.result(generation)
    with Image.open(io.BytesIO(result)) as after, Image.open(io.BytesIO(PORTRAIT)) as before:
        assert after.convert("RGB").tobytes() != before.convert("RGB").tobytes()
    (call,) = await bench.gemini.calls()
    assert call["tool"] == tool
    assert row["usage"]["total_tokens"] > 0
    assert {"download", "prepare", "gemini", "upload"} <= set(row["usage"]["timingsMs"])


async def test_an_analysis_settles_with_its_thirteen_fields(bench: Bench) -> None:
    generation = await bench.submitted(tool="analysis")
    await bench.run(generation)
    row = await bench.row(generation)
    assert (row["status"], row["image_path"], len(row["result"])) == ("succeeded", None, 13)
    assert await bench.credits_and_held(generation) == (9, 0)


async def test_an_attempt_leaves_one_event_that_says_how_it_ended(bench: Bench) -> None:
    await bench.gemini.answers(
        {"kind": "status", "status": 503, "times": 1}, {"kind": "status", "status": 404, "match": "70"}
    )
    one, other = await bench.submitted(), await bench.submitted(parameters={"age": 70})
    with capture_logs() as events:
        for generation in (one, one, other):
            await bench.run(generation)
    assert [(event["event"], event["generation_id"], event["log_level"]) for event in events] == [
        ("generation_deferred", one, "warning"),
        ("generation_settled", one, "info"),
        ("generation_failed", other, "error"),
    ]
    assert all(event["timings_ms"]["gemini"] > 0 for event in events)


async def test_where_a_photo_was_taken_does_not_reach_gemini(bench: Bench) -> None:
    generation = await bench.submitted(jpeg(portrait(120, 160), gps=True))
    await bench.run(generation)
    clean = await bench.submitted(jpeg(portrait(120, 160), gps=False))
    await bench.run(clean)
    with_place, without = [call["photo_sha256"] for call in await bench.gemini.calls()]
    assert with_place == without


async def test_a_finished_generation_is_not_run_again(bench: Bench) -> None:
    generation = await bench.submitted()
    await bench.run(generation)
    await bench.run(generation)
    assert len(await bench.gemini.calls()) == 1
    assert await bench.credits_and_held(generation) == (9, 0)


async def test_what_is_no_generation_id_is_refused_at_once(bench: Bench) -> None:
    with pytest.raises(asyncpg.DataError, match="invalid UUID"):
        await bench.run("nonsense")


async def test_an_unknown_generation_is_nothing_to_do(bench: Bench) -> None:
    assert await bench.run("00000000-0000-4000-8000-000000000000") is None


# What is final


async def test_a_photo_replaced_after_submission_ends_as_source_changed(bench: Bench) -> None:
    user = await bench.accounts.user()
    generation = await bench.submit(user, await bench.upload(user))
    await bench.upload(user, jpeg(portrait(120, 160, seed=2)))
    await bench.run(generation)
    await bench.is_failed(generation, "source_changed")
    assert await bench.gemini.calls() == []


async def test_a_photo_deleted_after_submission_ends_as_source_missing(bench: Bench) -> None:
    user = await bench.accounts.user()
    path = await bench.upload(user)
    generation = await bench.submit(user, path)
    await bench.client.storage.from_("user_uploads").remove([path])
    await bench.run(generation)
    await bench.is_failed(generation, "source_missing")


async def test_what_only_claims_to_be_a_photo_ends_as_source_invalid(bench: Bench) -> None:
    generation = await bench.submitted(b"<html>not a photo</html>")
    await bench.run(generation)
    await bench.is_failed(generation, "source_invalid")
    assert await bench.gemini.calls() == []


async def test_a_photo_with_too_many_pixels_ends_as_source_too_large(bench: Bench) -> None:
    generation = await bench.submitted()
    strict = bench.resources.settings.model_copy(update={"source_max_pixels": 100})
    await bench.run(generation, settings=strict)
    await bench.is_failed(generation, "source_too_large")


async def test_a_refusal_by_gemini_tells_the_user_and_costs_nothing(bench: Bench) -> None:
    await bench.gemini.answers({"kind": "blocked_prompt"})
    generation = await bench.submitted()
    await bench.run(generation)
    await bench.is_failed(generation, "blocked")


# What is tried again


async def test_a_rate_limit_waits_as_asked_and_counts_no_try(bench: Bench) -> None:
    await bench.gemini.answers({"kind": "rate_limited", "retry_delay": "30s", "times": 1})
    generation = await bench.submitted()
    delay = await bench.run(generation)
    assert delay is not None
    assert 30 <= delay <= 33
    row = await bench.row(generation)
    assert (row["status"], row["tries"], row["failures"]) == ("queued", 0, {"rate_limited": 1})
    assert await bench.credits_and_held(generation) == (10, 1)
    assert await bench.run(generation) is None
    assert (await bench.row(generation))["status"] == "succeeded"


async def test_an_unavailable_gemini_is_tried_until_the_tries_are_used_up(bench: Bench) -> None:
    await bench.gemini.answers({"kind": "status", "status": 503})
    generation = await bench.submitted()
    assert await bench.run(generation) is not None
    assert await bench.run(generation) is not None
    assert await bench.run(generation) is None
    await bench.is_failed(generation, "gemini_unavailable")
    assert len(await bench.gemini.calls()) == 3


async def test_an_interrupted_call_is_repeated_once_at_most(bench: Bench) -> None:
    await bench.gemini.answers({"kind": "reset"})
    generation = await bench.submitted()
    assert await bench.run(generation) is not None
    assert await bench.run(generation) is None
    await bench.is_failed(generation, "gemini_interrupted")
    assert len(await bench.gemini.calls()) == 2


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("storage download", {"kind": "status", "status": 503}),
        ("storage upload", {"kind": "status", "status": 503}),
        ("storage upload", {"kind": "reset"}),
    ],
)
async def test_storage_away_is_tried_again(bench: Bench, operation: str, fault: dict[str, object]) -> None:
    generation = await bench.submitted()
    await bench.supabase_fails(operation, **fault)
    assert await bench.run(generation) is not None
    assert (await bench.row(generation))["failures"] == {"storage_unavailable": 1}
    assert await bench.run(generation) is None
    assert (await bench.row(generation))["status"] == "succeeded"


async def test_a_refusal_by_storage_is_final(bench: Bench) -> None:
    generation = await bench.submitted()
    await bench.supabase_fails("storage download", kind="status", status=403)
    await bench.run(generation)
    await bench.is_failed(generation, "storage_refused")


async def test_an_attempt_has_a_deadline(bench: Bench) -> None:
    await bench.gemini.answers({"kind": "hang"})
    generation = await bench.submitted()
    hasty = bench.resources.settings.model_copy(update={"worker_attempt_seconds": 0.5})
    assert await bench.run(generation, settings=hasty) is not None
    assert (await bench.row(generation))["failures"] == {"attempt_timeout": 1}


async def test_a_crash_of_our_own_is_tried_again(bench: Bench) -> None:
    async def broken(_: Point) -> None:
        raise RuntimeError("broken")

    generation = await bench.submitted()
    assert await bench.run(generation, checkpoint=broken) is not None
    assert (await bench.row(generation))["failures"] == {"internal": 1}


# What is paid once


async def test_an_upload_whose_answer_was_lost_is_adopted_without_another_call(bench: Bench) -> None:
    generation = await bench.submitted()
    await bench.supabase_fails("storage upload", kind="lost")
    assert await bench.run(generation) is not None
    assert await bench.run(generation) is None
    row = await bench.row(generation)
    assert (row["status"], row["usage"]["adopted"]) == ("succeeded", True)
    assert len(await bench.gemini.calls()) == 1


async def test_an_analysis_paid_for_is_settled_by_the_next_attempt(bench: Bench) -> None:
    async def broken(point: Point) -> None:
        if point == "before_settle":
            raise RuntimeError("broken")

    generation = await bench.submitted(tool="analysis")
    assert await bench.run(generation, checkpoint=broken) is not None
    assert await bench.run(generation) is None
    assert len((await bench.row(generation))["result"]) == 13
    assert len(await bench.gemini.calls()) == 1


@pytest.mark.parametrize("point", [point for point in ATTEMPT_POINTS if point != "after_settle"])
async def test_an_attempt_overtaken_anywhere_charges_once(bench: Bench, point: Point) -> None:
    generation = await bench.submitted()
    halt = Halt(point)
    overtaken = asyncio.create_task(bench.run(generation, checkpoint=halt))
    await halt.reached.wait()
    assert await bench.run(generation) is None
    halt.go_on.set()
    assert await overtaken is None
    row = await bench.row(generation)
    assert (row["status"], row["fence"]) == ("succeeded", 2)
    assert await bench.credits_and_held(generation) == (9, 0)
    assert await bench.notifications(generation) == 1


# Shutdown


@pytest.mark.parametrize("point", [point for point in ATTEMPT_POINTS if point != "after_settle"])
async def test_a_shutdown_hands_back_without_counting_a_try(bench: Bench, point: Point) -> None:
    generation = await bench.submitted()
    halt = Halt(point)
    attempt = asyncio.create_task(bench.run(generation, checkpoint=halt))
    await halt.reached.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    row = await bench.row(generation)
    assert (row["status"], row["tries"], row["fence"]) == ("queued", 0, 1)
    assert await bench.run(generation) is None
    assert await bench.credits_and_held(generation) == (9, 0)


async def test_a_shutdown_after_the_charge_changes_nothing(bench: Bench) -> None:
    generation = await bench.submitted()
    halt = Halt("after_settle")
    attempt = asyncio.create_task(bench.run(generation, checkpoint=halt))
    await halt.reached.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert (await bench.row(generation))["status"] == "succeeded"


async def test_an_attempt_without_its_lease_writes_nothing_more(bench: Bench) -> None:
    generation = await bench.submitted()
    halt = Halt("after_gemini")
    attempt = asyncio.create_task(bench.run(generation, checkpoint=halt))
    await halt.reached.wait()
    before = await bench.row(generation)
    attempt.cancel(LEASE_LOST)
    with pytest.raises(asyncio.CancelledError):
        await attempt
    assert await bench.row(generation) == before


# The database goes away


async def _cut_connections(bench: Bench) -> None:
    """What a restart of Postgres does to a worker: every connection it has is ended."""
    await bench.superuser.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'sparky_worker'"
    )


async def test_connections_that_went_away_are_made_again(bench: Bench) -> None:
    generation = await bench.submitted()
    halt = Halt("before_settle")
    attempt = asyncio.create_task(bench.run(generation, checkpoint=halt))
    await halt.reached.wait()
    await _cut_connections(bench)
    halt.go_on.set()
    await attempt
    assert (await bench.row(generation))["status"] == "succeeded"
    assert await bench.credits_and_held(generation) == (9, 0)


async def test_a_settle_cut_off_in_the_middle_is_repeated_and_charges_once(bench: Bench) -> None:
    generation = await bench.submitted()
    halt = Halt("before_settle")
    attempt = asyncio.create_task(bench.run(generation, checkpoint=halt))
    await halt.reached.wait()
    async with bench.superuser.transaction():
        await bench.superuser.execute("select from public.generations where id = $1 for update", generation)
        halt.go_on.set()
        await bench.until_blocked()
        await _cut_connections(bench)
    await attempt
    assert (await bench.row(generation))["status"] == "succeeded"
    assert await bench.credits_and_held(generation) == (9, 0)
    assert await bench.notifications(generation) == 1

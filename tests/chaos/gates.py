"""What must hold: some of it at every instant, all of it when everything has come to rest."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from schemas.queue import lane_keys
from tests.chaos.faults import RUBBISH
from tests.chaos.world import DATABASE_AWAY, World
from worker.prompts import picture_prompt

# An attempt that looked for the picture just before it was stored may still be on its way to Gemini, and so may one
# whose worker was frozen there and has not yet noticed that its lease is gone.
ON_ITS_WAY_SECONDS = 5.0


@dataclass(frozen=True)
class Violation:
    gate: str
    detail: str


async def at_any_time(world: World) -> list[Violation]:
    """Nothing while the database is away."""
    try:
        found = await _invariants(world) + await _settles(world)
    except DATABASE_AWAY:
        found = []
    world.fleet.look_for_the_dead()
    return found + _processes(world)


async def at_rest(world: World) -> list[Violation]:
    """Everything. Raises when a service is away."""
    found = await _invariants(world) + await _settles(world) + await _nothing_lost(world)
    found += await _queue(world) + await _objects(world) + await _gemini_once(world)
    return found + _processes(world)


def _processes(world: World) -> list[Violation]:
    """What workers and intake never do, whatever happens around them."""
    found = [Violation("no worker dies by itself", death) for death in world.fleet.unexpected]
    if errors := world.counts["intake: 500"]:
        found.append(
            Violation("the intake knows every failure", f"{errors} answers of 500: see request_failed in its log")
        )
    return found


async def _invariants(world: World) -> list[Violation]:
    rows = await world.accounts.database.fetch("select * from sparky.check_invariants() where violations > 0")
    return [Violation(f"invariant {row['name']}", f"{row['violations']}, such as {row['sample']}") for row in rows]


async def _settles(world: World) -> list[Violation]:
    """By the wire's testimony: only the last attempt settles, and once."""
    settled = [settle for settle in world.fleet.wire.settles if settle.answer == "settled"]
    rows = await world.accounts.database.fetch(
        "select id, fence, status from public.generations where id = any ($1)", [each.generation for each in settled]
    )
    now = {row["id"]: (row["status"], row["fence"]) for row in rows}
    found = [
        Violation("only the last attempt settles", f"{each.generation}: fence {each.fence} settled, the row is {row}")
        for each in settled
        if (row := now.get(each.generation, ("succeeded", each.fence))) != ("succeeded", each.fence)
    ]
    times = Counter(each.generation for each in settled)
    found += [Violation("a generation settles once", f"{which}: {n} times") for which, n in times.items() if n > 1]
    return found


async def _nothing_lost(world: World) -> list[Violation]:
    database = world.accounts.database
    kept = {row["id"] for row in await database.fetch("select id from public.generations")}
    found = [Violation("nothing is lost", f"{lost} is gone") for lost in world.accepted - world.deleted - kept]
    open_ = await database.fetch(
        "select id, status, due_at, tries, sweeps from public.generations where status in ('queued', 'processing')"
    )
    found += [Violation("every generation ends", str(dict(row))) for row in open_]
    holds = await database.fetchval("select count(*) from sparky.holds")
    found += [Violation("no hold is left", str(holds))] if holds else []
    told = await database.fetch(
        "select source_id from public.notifications where params ->> 'status' = 'succeeded'"
        " group by source_id having count(*) > 1"
    )
    found += [Violation("one notification of success", str(row["source_id"])) for row in told]
    captures = await database.fetch("select generation_id from public.credit_usage where kind = 'capture'")
    charged = Counter(row["generation_id"] for row in captures)
    settled = {each.generation for each in world.fleet.wire.settles if each.answer == "settled"}
    found += [Violation("one charge", f"{each}: {charged[each]}") for each in settled if charged[each] != 1]
    return found


async def queue_leftovers(world: World) -> list[str]:
    """Keys of jobs, and entries of lanes, that are still there. Rubbish keys that no lane names are nobody's, and so
    is what is left of a waiting job that ended while the simulator had destroyed its lane.
    """
    left = []
    for kind in ("job", "in-progress", "retry"):
        keys = [key.decode() async for key in world.queue.scan_iter(f"arq:{kind}:*")]
        stranded = set() if kind == "in-progress" else world.stranded
        left += [key for key in keys if RUBBISH not in key and key.rpartition(":")[2] not in stranded]
    for lane in lane_keys():
        left += [f"{lane} {entry.decode()}" for entry in await world.queue.zrange(lane, 0, -1)]
    return left


async def _queue(world: World) -> list[Violation]:
    return [Violation("the queue is empty", key) for key in await queue_leftovers(world)]


async def _objects(world: World) -> list[Violation]:
    orphans = await world.accounts.database.fetch(
        "select name, created_at from storage.objects where bucket_id = 'generations' and not exists"
        " (select from public.generations where status = 'succeeded' and image_path = objects.name)"
    )
    return [Violation("every object belongs to a succeeded generation", str(dict(row))) for row in orphans]


async def _gemini_once(world: World) -> list[Violation]:
    """No call for a picture that was stored already."""
    rows = await world.accounts.database.fetch(
        "select generations.id, tool_id, tool_parameters, source_etag, objects.created_at from public.generations"
        " join storage.objects on bucket_id = 'generations' and name = image_path where status = 'succeeded'"
    )
    answer = await world.http.get(f"{world.stack.gemini_url}/local/calls")
    calls = [(call["photo_sha256"], call["prompt"], call["at"]) for call in answer.json()["calls"]]
    found = []
    for row in rows:
        key = world.photos[row["source_etag"].strip('"')], picture_prompt(row["tool_id"], row["tool_parameters"])
        stored: datetime = row["created_at"]
        late = [at for *what, at in calls if tuple(what) == key and at > stored.timestamp() + ON_ITS_WAY_SECONDS]
        found += [
            Violation(
                "Gemini is not asked for a picture that is stored", f"{row['id']}: {at - stored.timestamp():.1f} s"
            )
            for at in late
            if not any(0 < at - thawed < ON_ITS_WAY_SECONDS for thawed in world.fleet.thawed_at)
        ]
    return found

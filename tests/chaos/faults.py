"""The actors that break things, and the operator who retries what they broke."""

import asyncio
import secrets
import signal
from collections.abc import Mapping
from typing import Any

from redis.exceptions import RedisError

from schemas.queue import QueuedJob, enqueue, lane_keys
from tests.chaos.world import DATABASE_AWAY, World

RUBBISH = "rubbish-"
_RETRIABLE = """
    select id, cache_key, lane from public.generations
    where status = 'failed' and finished_at > now() - interval '20 seconds' order by id
"""


class Faults:
    """Every method is one actor; each answers when the step is over."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def worker(self, name: str, action: str, detail: Mapping[str, Any]) -> None:
        fleet = self._world.fleet
        match action:
            case "start":
                await fleet.start(name, detail["point"])
            case "kill":
                await fleet.kill(name)
            case "terminate":
                await fleet.terminate(name)
            case "freeze":
                fleet.freeze(name)
                await asyncio.sleep(detail["seconds"])
                await fleet.thaw(name)

    async def redis(self, action: str, detail: Mapping[str, Any]) -> None:
        world = self._world
        match action:
            case "flush":
                await world.queue.flushall()
                world.stranded.clear()
            case "restart":
                assert world.stack.valkey is not None
                await world.stack.valkey.stop()
                await asyncio.sleep(detail["choice"])
                world.stranded.clear()
                await world.stack.valkey.start()
            case "rubbish":
                await self._rubbish(detail["choice"])

    async def _rubbish(self, choice: float) -> None:
        """Keys that mean nothing, keys of the wrong type, and payloads of real jobs overwritten."""
        queue, lanes = self._world.queue, lane_keys()
        name = RUBBISH + secrets.token_hex(4)
        await queue.zadd(lanes[0], {name: 0})
        await queue.zadd(lanes[1], {name + "-garbage": 0, name + "-list": 0, name + "-held": 0})
        await queue.set(f"arq:job:{name}-garbage", b"\x80\x04 no job at all")
        await queue.zadd(f"arq:job:{name}-list", {"a": 0})
        await queue.set(f"arq:in-progress:{name}-held", "nobody")
        await queue.set(f"arq:job:{name}-alone", b"{}")
        real = [key async for key in queue.scan_iter("arq:job:*") if RUBBISH.encode() not in key]
        if real and choice < 0.5:
            await queue.set(sorted(real)[int(choice * len(real))], b'{"f": "no_such_function"}')
        if choice > 0.8:
            # What is still open finds its way back; keys of what ends meanwhile lie there for a day, as in reality.
            async with queue.pipeline(transaction=True) as both:
                both.zrange(lanes[0], 0, -1)
                both.set(lanes[0], "not a sorted set")
                waiting, _ = await both.execute(raise_on_error=False)
            if isinstance(waiting, list):
                self._world.stranded.update(key.decode() for key in waiting)

    async def postgres(self, action: str) -> None:
        postgres = self._world.stack.postgres
        assert postgres is not None
        if action == "crash":
            postgres.child.process.send_signal(signal.SIGQUIT)
            await postgres.child.finished(20)
        await postgres.stop()
        await postgres.start()

    async def storage(self, detail: Mapping[str, Any]) -> None:
        answer = await self._world.http.post(
            f"{self._world.stack.supabase_url}/local/faults",
            json=dict(detail),
            headers={"apikey": self._world.stack.secret_key},
        )
        answer.raise_for_status()

    async def gemini(self, detail: Mapping[str, Any]) -> None:
        answer = await self._world.http.post(f"{self._world.stack.gemini_url}/local/script", json=dict(detail))
        answer.raise_for_status()

    async def wire(self, action: str) -> None:
        if action == "cut_all":
            self._world.fleet.wire.cut_all()
        else:
            self._world.fleet.wire.order(action)

    async def operator(self, detail: Mapping[str, Any]) -> None:
        """Retry one of what failed lately, as the console does: in Postgres, then in the queue."""
        database = self._world.accounts.database
        try:
            failed = await database.fetch(_RETRIABLE)
            if not failed:
                return
            row = failed[int(detail["choice"] * len(failed))]
            answer = await database.fetchval("select sparky.retry_generation($1)", row["id"])
            self._world.counts[f"retry: {answer}"] += 1
            if answer == "queued":
                await enqueue(self._world.queue, [QueuedJob(row["cache_key"], row["id"], None, row["lane"])])
        except (*DATABASE_AWAY, RedisError) as error:
            self._world.counts[f"retry: {type(error).__name__}"] += 1

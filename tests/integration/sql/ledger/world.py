"""The database under the machine: two users with a photo each, a tool and a plan of their own, some workers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from schemas.database import Database
from tests.integration.sql.ledger.calls import (
    Age,
    Beat,
    Call,
    Cancel,
    ChangePlan,
    ChangeTool,
    Defer,
    Delete,
    Expire,
    Fail,
    MoveAnchor,
    Owe,
    Purge,
    Remove,
    ReplacePhoto,
    Retry,
    Settle,
    Start,
    Submit,
    Sweep,
)
from tests.integration.sql.ledger.model import PAID
from tests.support.accounts import Accounts

PAID_PLAN = 9000

OBSERVE = """
select id, credits, credit_debt,
    (select coalesce(sum(amount), 0) from sparky.holds where user_id = users.id) as held,
    (select count(*) from public.notifications where user_id = users.id) as notifications,
    (select count(*) from sparky.period_grants where user_id = users.id) as periods
from public.users where id = any ($1)
"""


@dataclass
class World:
    database: Database
    name: str = field(default_factory=lambda: f"machine-{uuid4().hex[:8]}")
    users: list[UUID] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    numbers: dict[UUID, int] = field(default_factory=dict)
    """The machine's number of each generation."""
    ids: dict[int, UUID] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)
    pictures: dict[tuple[int, int], str] = field(default_factory=dict)
    """Where each attempt, by generation and fence, uploads its picture."""
    before: dict[str, int] = field(default_factory=dict)

    @classmethod
    async def made(cls, database: Database) -> "World":
        world = cls(database)
        await database.execute(
            "insert into public.plans (id, name, monthly_credits, daily_credits, max_in_flight, is_paid)"
            " values ($1, 'Machine', $2, $3, $4, true) on conflict do nothing",
            PAID_PLAN,
            PAID.monthly,
            PAID.daily,
            PAID.in_flight,
        )
        await database.execute(
            "insert into public.tools (id, type, name_key, description_key, icon_name)"
            " values ($1, 'FILTER', '', '', '') on conflict do nothing",
            world.name,
        )
        world.users = [await world.accounts.user() for _ in range(2)]
        world.photos = [await world.accounts.photo(user) for user in world.users]
        world.before = await world.broken()
        return world

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.database)

    async def run(self, calls: Sequence[Call]) -> list[str | None]:
        """Make the calls, all at once, each on a connection of its own."""
        answers = await asyncio.gather(*(self._call(call) for call in calls))
        return [self._named(answer) for answer in answers]

    def _named(self, answer: object) -> str | None:
        """An answer in the machine's numbers: a submission answers its outcome and, with one, the generation."""
        if not isinstance(answer, tuple):
            return None if answer is None else str(answer)
        outcome, row = answer
        return outcome if row is None else f"{outcome} {self.numbers[row]}"

    async def _call(self, call: Call) -> object:  # noqa: PLR0911 - one line a call
        accounts = self.accounts
        match call:
            case Submit():
                return await self._submit(call)
            case Start(generation, worker):
                row = await accounts.start(self.ids[generation], f"{self.name}-{worker}")
                if row is None:
                    return "nothing"
                self.pictures[generation, row["fence"]] = row["object_name"]
                return f"started {row['fence']} {row['tries']}"
            case Settle(generation, _, fence):
                await self._upload(generation, fence)
                return await self._value("select sparky.settle_generation($1, $2)", self.ids[generation], fence)
            case Fail(generation, _, fence):
                return await accounts.fail(self.ids[generation], fence)
            case Defer(generation, _, counts, fence):
                return await accounts.defer(self.ids[generation], fence, count=counts)
            case Cancel(generation, stranger):
                return await accounts.cancel(self.ids[generation], self._caller(generation, stranger))
            case Delete(generation, stranger):
                return await self._value(
                    "select outcome from sparky.delete_generation($1, $2)",
                    self.ids[generation],
                    self._caller(generation, stranger),
                )
            case Retry(generation):
                return await self._value("select sparky.retry_generation($1)", self.ids[generation])
        await self._change(call)
        return None

    async def _change(self, call: Call) -> None:  # noqa: C901 - one line a call
        """The calls without an answer."""
        execute = self.database.execute
        match call:
            case Age(generation):
                older = "update public.generations set queued_at = now() - interval '1 day'"
                await execute(f"{older} where id = $1 and status = 'queued'", self.ids[generation])
            case Expire():
                await execute("select sparky.expire_generations(interval '12 hours')")
            case Sweep():
                await execute("select sparky.reset_sweep()")
                await execute("select * from sparky.due_generations(1000)")
            case Remove():
                await self._remove()
            case ReplacePhoto(user):
                await self.accounts.replace_photo(self.photos[user])
            case Purge():
                await execute(
                    "delete from cache.kv_store where value ->> 'generationId' = any ($1)", list(map(str, self.numbers))
                )
            case Beat(worker, alive):
                beat = "sparky.heartbeat($1, interval '1 hour', 1, 1)" if alive else "sparky.retire_worker($1)"
                await execute(f"select {beat}", f"{self.name}-{worker}")
            case MoveAnchor(user, days):
                anchor = "update public.users set period_anchor = now() - make_interval(days => $2) where id = $1"
                await execute(anchor, self.users[user], days)
            case ChangePlan(user, paid, lapsed):
                await execute(
                    "update public.users set plan_id = $2, plan_expires_at = case when $3 then now() end where id = $1",
                    self.users[user],
                    PAID_PLAN if paid else 1,
                    lapsed,
                )
            case ChangeTool(cost, version, active):
                tool = "update public.tools set credit_cost = $2, version = $3, is_active = $4 where id = $1"
                await execute(tool, self.name, cost, version, active)
            case Owe(user, credits):
                debt = "update public.users set credit_debt = credit_debt + $2 where id = $1"
                await execute(debt, self.users[user], credits)

    async def _value(self, statement: str, *arguments: object) -> Any:
        return await self.database.fetchval(statement, *arguments)

    def _caller(self, generation: int, stranger: bool) -> UUID:
        owner = self.owners[generation]
        return self.users[1 - owner if stranger else owner]

    async def _submit(self, call: Submit) -> tuple[str, UUID | None]:
        row = await self.accounts.submit(
            self.users[call.user], self.photos[call.user], tool=self.name, parameters={"age": call.age}
        )
        if row["outcome"] == "queued":
            self.numbers[row["id"]] = call.generation
            self.ids[call.generation] = row["id"]
            self.owners[call.generation] = call.user
        return row["outcome"], row["id"]

    async def _upload(self, generation: int, fence: int) -> None:
        """As the attempt with this fence does before it settles, whether it still counts or not."""
        if name := self.pictures.get((generation, fence)):
            await self._value(
                "insert into storage.objects (bucket_id, name) values ('generations', $1) on conflict do nothing", name
            )

    async def _remove(self) -> None:
        """Everything that is planned, without the wait for attempts that are just uploading."""
        pictures = list(self.pictures.values())
        await self.database.execute(
            "update sparky.object_removals set due_at = now() where object_name = any ($1)", pictures
        )
        async with self.database.acquire() as connection, connection.transaction():
            rows = await connection.fetch("select * from sparky.due_removals(1000)")
            mine = [row for row in rows if row["object_name"] in pictures]
            await connection.execute("select set_config('storage.allow_delete_query', 'true', true)")
            await connection.execute(
                "delete from storage.objects where bucket_id = 'generations' and name = any ($1)",
                [row["object_name"] for row in mine],
            )
            await connection.execute("select sparky.removed_objects($1)", [row["id"] for row in mine])

    async def observed(self) -> tuple[Any, Any, Any]:
        """What is there now, as `Model.state` says it."""
        users = {row["id"]: tuple(row)[1:] for row in await self.database.fetch(OBSERVE, self.users)}
        rows = await self.database.fetch(
            "select id, status, fence, tries, endings, credit_cost, kv_store.key is not null as cached"
            " from public.generations left join cache.kv_store on value ->> 'generationId' = generations.id::text"
            " where user_id = any ($1)",
            self.users,
        )
        generations = {self.numbers[row["id"]]: tuple(row)[1:6] for row in rows}
        cached = {self.numbers[row["id"]] for row in rows if row["cached"]}
        return [users[user] for user in self.users], generations, cached

    async def broken(self) -> dict[str, int]:
        """Invariants that were broken since this world was made: a replay of a failure must not find what it left."""
        rows = await self.database.fetch("select name, violations from sparky.check_invariants() where violations > 0")
        return {row["name"]: row["violations"] for row in rows if row["violations"] != self.before.get(row["name"])}

    async def orphans(self) -> set[str]:
        """Pictures in Storage that belong to no generation, once all that is planned has been carried out."""
        await self._remove()
        rows = await self.database.fetch(
            "select name from storage.objects where bucket_id = 'generations' and name = any ($1) and not exists ("
            " select from public.generations"
            " where object_name = name and status in ('queued', 'processing', 'succeeded'))",
            list(self.pictures.values()),
        )
        return {row["name"] for row in rows}

"""Users, photos and generations made straight in the database, for tests of the SQL functions."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from schemas.database import Database, prepare_connection

MODEL = "gemini-test"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Accounts:
    """What a test does in the database, in the words of the domain. `database` is a pool of role postgres."""

    database: Database

    async def user(self, plan: int = 1, balance: int | None = None) -> UUID:
        """Somebody who signed up; with another plan or balance when asked."""
        user = uuid4()
        await self.database.execute("insert into auth.users (id, email) values ($1, $2)", user, f"{user}@example.com")
        await self.database.execute("update public.users set plan_id = $2 where id = $1", user, plan)
        if balance is not None:
            await self.database.execute(
                "select sparky.write_ledger(id, 'adjustment', $2 - credits, null, null, 'test')"
                " from public.users where id = $1",
                user,
                balance,
            )
        return user

    async def photo(
        self, user: UUID, *, mimetype: str = "image/jpeg", size: int = 1000, path: str | None = None
    ) -> str:
        """A photo in the user's folder of user_uploads; answers its path."""
        path = path or f"{user}/photo-{next(_numbers)}.jpg"
        await self._object("user_uploads", path, mimetype, size)
        return path

    async def replace_photo(self, path: str) -> None:
        """Other bytes under the same name."""
        await self.database.execute(
            "update storage.objects set metadata = jsonb_set(metadata, '{eTag}', to_jsonb($2::text)) where name = $1",
            path,
            f'"{uuid4().hex}"',
        )

    async def _object(self, bucket: str, name: str, mimetype: str, size: int) -> None:
        metadata = {"eTag": f'"{uuid4().hex}"', "size": size, "mimetype": mimetype}
        await self.database.execute(
            "insert into storage.objects (bucket_id, name, metadata) values ($1, $2, $3) on conflict do nothing",
            bucket,
            name,
            metadata,
        )

    async def submit(
        self,
        user: UUID,
        path: str | None = None,
        *,
        tool: str = "age",
        parameters: dict[str, Any] | None = None,
        model: str = MODEL,
    ) -> asyncpg.Record:
        """Submit; a fresh photo when none is named. Answers submit_generation's row."""
        path = path or await self.photo(user)
        parameters = {"age": 40} if parameters is None else parameters
        row = await self.database.fetchrow(
            "select * from sparky.submit_generation($1, $2, $3, $4, $5)", user, tool, parameters, path, model
        )
        assert row is not None
        return row

    async def start(self, generation: UUID, worker: str = "worker-a", max_tries: int = 3) -> asyncpg.Record | None:
        return await self.database.fetchrow(
            "select * from sparky.start_generation($1, $2, $3)", generation, worker, max_tries
        )

    async def started(self, user: UUID, **request: Any) -> tuple[UUID, int]:
        """A generation that runs: its id and fence."""
        submitted = await self.submit(user, **request)
        assert submitted["outcome"] == "queued", submitted["outcome"]
        attempt = await self.start(submitted["id"])
        assert attempt is not None
        return submitted["id"], attempt["fence"]

    async def settle(
        self, generation: UUID, fence: int, result: dict[str, Any] | None = None, ttl_seconds: float = 3600
    ) -> str:
        """Settle as the worker does: a picture's object is stored first."""
        if result is None:
            name = await self.database.fetchval("select object_name from public.generations where id = $1", generation)
            await self._object("generations", name, "image/png", 2000)
        return str(
            await self.database.fetchval(
                "select sparky.settle_generation($1, $2, $3, make_interval(secs => $4))",
                generation,
                fence,
                result,
                ttl_seconds,
            )
        )

    async def succeeded(self, user: UUID, **request: Any) -> UUID:
        """A generation that ended well."""
        generation, fence = await self.started(user, **request)
        assert await self.settle(generation, fence) == "settled"
        return generation

    async def fail(self, generation: UUID, fence: int, code: str = "provider_error") -> str:
        return str(await self.database.fetchval("select sparky.fail_generation($1, $2, $3)", generation, fence, code))

    async def defer(
        self, generation: UUID, fence: int, *, seconds: float = 60, code: str = "busy", count: bool = True
    ) -> str:
        return str(
            await self.database.fetchval(
                "select sparky.defer_generation($1, $2, now() + make_interval(secs => $3), $4, $5)",
                generation,
                fence,
                seconds,
                code,
                count,
            )
        )

    async def cancel(self, generation: UUID, user: UUID) -> str:
        return str(
            await self.database.fetchval("select outcome from sparky.cancel_generation($1, $2)", generation, user)
        )

    async def generation(self, generation: UUID) -> asyncpg.Record:
        row = await self.database.fetchrow("select * from public.generations where id = $1", generation)
        assert row is not None
        return row

    async def balance(self, user: UUID) -> int:
        return int(await self.database.fetchval("select credits from public.users where id = $1", user))

    async def held(self, user: UUID) -> int:
        return int(
            await self.database.fetchval("select coalesce(sum(amount), 0) from sparky.holds where user_id = $1", user)
        )

    async def ledger(self, user: UUID, kind: str) -> list[int]:
        rows = await self.database.fetch(
            "select amount from public.credit_usage where user_id = $1 and kind = $2 order by id", user, kind
        )
        return [row["amount"] for row in rows]

    async def notifications(self, user: UUID) -> list[str]:
        """What the user was told, oldest first: the status of each."""
        rows = await self.database.fetch(
            "select params ->> 'status' as status from public.notifications where user_id = $1 order by id", user
        )
        return [row["status"] for row in rows]

    async def violations(self) -> list[str]:
        rows = await self.database.fetch("select name from sparky.check_invariants() where violations > 0")
        return [row["name"] for row in rows]

    async def contents(self) -> dict[str, str]:
        """A digest of every table that the product writes, by name: equal when nothing has changed."""
        tables = await self.database.fetch(
            "select format('%I.%I', schemaname, tablename) as name from pg_catalog.pg_tables"
            " where schemaname in ('public', 'sparky', 'cache', 'realtime') order by 1"
        )
        digest = "select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from {} as t"
        return {row["name"]: await self.database.fetchval(digest.format(row["name"])) for row in tables}


@asynccontextmanager
async def open_accounts(dsn: str, connections: int = 5) -> AsyncIterator[Accounts]:
    """Work in this database; `dsn` is role postgres's."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=connections, init=prepare_connection) as pool:
        yield Accounts(pool)

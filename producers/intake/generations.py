"""The intake's SQL calls about generations."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from producers.intake.calls import Calls


@dataclass(frozen=True, slots=True)
class Submission:
    """What a user asks for: canonical parameters, the photo's name in its bucket, the model that will do it."""

    user_id: UUID
    tool_id: str
    parameters: dict[str, object]
    path: str
    model: str
    max_source_bytes: int


class Generations(Calls):
    """Generations in Postgres."""

    async def submit(self, order: Submission) -> asyncpg.Record:
        """Cached, in flight, queued, or refused; a refusal writes nothing."""
        return await self._one(
            "select * from sparky.submit_generation($1, $2, $3, $4, $5, $6)",
            order.user_id, order.tool_id, order.parameters, order.path, order.model, order.max_source_bytes,
        )  # fmt: skip

    async def get(self, generation_id: UUID, user_id: UUID) -> asyncpg.Record | None:
        """The user's own generation."""
        rows = await self._all("select * from sparky.get_generation($1, $2)", generation_id, user_id)
        return rows[0] if rows else None

    async def page(self, user_id: UUID, limit: int, before: UUID | None) -> list[asyncpg.Record]:
        """The user's own, newest first, from those older than `before`."""
        return await self._all("select * from sparky.list_generations($1, $2, $3)", user_id, limit, before)

    async def cancel(self, generation_id: UUID, user_id: UUID) -> asyncpg.Record:
        """`canceled`, `not_cancelable` or `not_found`, with the generation's columns."""
        return await self._one("select * from sparky.cancel_generation($1, $2)", generation_id, user_id)

    async def delete(self, generation_id: UUID, user_id: UUID) -> asyncpg.Record:
        """`deleted`, `not_finished` or `not_found`, with the name of the object to remove, if there is one."""
        return await self._one("select * from sparky.delete_generation($1, $2)", generation_id, user_id)

    async def finished(self, generation_ids: list[UUID]) -> list[UUID]:
        """Those of these that are terminal, or gone."""
        rows = await self._all("select * from sparky.finished_generations($1)", generation_ids)
        return [row[0] for row in rows]

    async def ping(self) -> None:
        """Raise unless Postgres answers."""
        await self._all("select 1")

"""A user's own data as one JSON document, written while it is read: however much there is, a page of it is in memory.

Whatever goes wrong on the way ends the connection before the document's end, so that half an export is never taken for
a whole one.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from producers.intake.accounts import Accounts
from schemas.account import SECTIONS, ExportedProfile

PAGE = 500
WHOLE_SECONDS = 300.0


class Export(StreamingResponse):
    """The document of `AccountExport`. Takes one of the places while it is sent, and `WHOLE_SECONDS` at most."""

    def __init__(self, accounts: Accounts, user_id: UUID, profile: ExportedProfile, places: asyncio.Semaphore) -> None:
        super().__init__(
            _document(accounts, user_id, profile),
            media_type="application/json",
            headers={"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="sparky.json"'},
        )
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._places, asyncio.timeout(WHOLE_SECONDS):
            await super().__call__(scope, receive, send)


async def _document(accounts: Accounts, user_id: UUID, profile: ExportedProfile) -> AsyncIterator[bytes]:
    yield b'{"profile":' + profile.model_dump_json(by_alias=True).encode()
    for section, model in SECTIONS.items():
        yield f',"{section}":['.encode()
        after: tuple[datetime | None, str | None] = (None, None)
        comma = b""
        while rows := await accounts.page(user_id, section, after, PAGE):
            entries = [model.model_validate(row["entry"]).model_dump_json(by_alias=True) for row in rows]
            yield comma + ",".join(entries).encode()
            after, comma = (rows[-1]["created_at"], rows[-1]["id"]), b","
            if len(rows) < PAGE:
                break
        yield b"]"
    yield b"}"

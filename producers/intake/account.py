"""`DELETE /v1/account` and `GET /v1/account/export`: a user leaves, or takes the own data along."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from producers.intake.answers import json_response
from producers.intake.export import Export
from producers.intake.refusals import no_account
from producers.intake.services import services_of
from schemas.account import AccountDeletion, ExportedProfile
from schemas.problems import ProblemError

EXPORTS_AT_ONCE = 4
"""Exports that one process serves at a time: each reads all that a user has."""
_BUSY_SECONDS = 5

_places = asyncio.Semaphore(EXPORTS_AT_ONCE)


async def delete_account(request: Request) -> Response:
    """Delete the own account. From here on nothing can be submitted or uploaded; within minutes photos, pictures, rows
    and the user are gone. What was paid and spent is kept without the person. Repeating it is harmless."""
    services = services_of(request)
    user_id = await services.authenticator.user_id(request)
    row = await services.accounts.close(user_id)
    if row["outcome"] != "deleting":
        raise no_account(row["outcome"])
    return json_response(AccountDeletion(status="deleting", requested_at=row["requested_at"]), 202)


async def export_account(request: Request) -> Response:
    """All of the own data as one JSON document."""
    services = services_of(request)
    user_id = await services.authenticator.user_id(request)
    if _places.locked():
        raise ProblemError("rate_limited", "Too many exports are under way.", retry_after=_BUSY_SECONDS)
    row = await services.accounts.profile(user_id)
    if row["outcome"] != "found":
        raise no_account(row["outcome"])
    return Export(services.accounts, user_id, ExportedProfile.model_validate(row["profile"]), _places)

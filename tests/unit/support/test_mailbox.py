"""Mails caught by Mailpit read like the stand-in's."""

from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.supabase.auth.configuration import CONFIGURATION
from tests.support.mailbox import Mailpit

MAILS = {
    "new": {
        "To": [{"Address": "a@example.com"}],
        "Subject": CONFIGURATION.templates["recovery"].subject,
        "Text": "Your code is\n\n654321\n",
    },
    "old": {
        "To": [{"Address": "a@example.com"}],
        "Subject": CONFIGURATION.templates["confirmation"].subject,
        "Text": "Your code is\n\n012345\n",
    },
}


async def listing(_: Request) -> Response:
    return JSONResponse({"messages": [{"ID": number} for number in MAILS]})  # newest first


async def message(request: Request) -> Response:
    return JSONResponse(MAILS[request.path_params["number"]])


async def test_mails_come_oldest_first_with_their_kind_and_code() -> None:
    app = Starlette(routes=[Route("/api/v1/messages", listing), Route("/api/v1/message/{number}", message)])
    mails: list[dict[str, Any]] = await Mailpit("http://mailpit/", httpx.ASGITransport(app)).mails()

    assert [(mail["to"], mail["kind"], mail["code"]) for mail in mails] == [
        ("a@example.com", "signup", "012345"),
        ("a@example.com", "recovery", "654321"),
    ]

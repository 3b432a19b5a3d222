"""Misbehaviour on demand: the next requests of a kind fail as a test says.

`POST /local/faults` with the secret key and `{"match", "kind", "status", "times", "delay"}`:
`match` is an operation or the service's name alone (`storage upload`, `storage`, `auth token`, `rest get`);
`kind` is `status` (answers `status`), `hang` (no answer for `delay` seconds, then the connection ends), `reset` (the
connection is reset, nothing was done), `lost` (done, but the connection is reset before the answer) or `slow`
(answers after `delay` seconds). It holds for `times` requests. `DELETE` takes all faults back.
"""

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.local.supabase.caller import CallerError, resolve
from deploy.local.supabase.keys import Keys

log = structlog.get_logger()
STORAGE_ACTIONS = {"list": "list", "list-v2": "list", "sign": "sign", "move": "move", "copy": "copy", "info": "info"}
STORAGE_VERBS = {"POST": "upload", "PUT": "upload", "GET": "download", "HEAD": "download", "DELETE": "remove"}


class Fault(BaseModel):
    """One order to fail."""

    model_config = ConfigDict(extra="forbid")

    match: str
    kind: Literal["status", "hang", "reset", "lost", "slow"]
    status: int = Field(503, ge=400, le=599)
    times: int = Field(1, ge=1)
    delay: float = Field(3600, ge=0)


@dataclass
class Faults:
    """Orders not yet carried out, oldest first."""

    orders: list[Fault]

    def take(self, operation: str) -> Fault | None:
        for order in self.orders:
            if operation == order.match or operation.startswith(f"{order.match} "):
                order.times -= 1
                if order.times == 0:
                    self.orders.remove(order)
                return order
        return None


class FaultMiddleware:
    """Outermost, so that it holds the server's own `receive`."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app = app
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        order = self._faults.take(operation_of(scope["method"], scope["path"])) if scope["type"] == "http" else None
        if order is None:
            await self._app(scope, receive, send)
            return
        log.info("fault_injected", match=order.match, kind=order.kind, path=scope["path"])
        if order.kind == "status":
            body = {
                "statusCode": str(order.status),
                "error": "Injected",
                "message": "Injected fault",
                "code": "Injected",
            }
            await JSONResponse(body, order.status)(scope, receive, send)
        elif order.kind == "slow":
            await asyncio.sleep(order.delay)
            await self._app(scope, receive, send)
        elif order.kind == "hang":
            with suppress(TimeoutError):
                await asyncio.wait_for(_disconnected(receive), order.delay)
            await _reset(receive)
        elif order.kind == "reset":
            await _reset(receive)
        else:
            await self._run_and_reset(scope, receive)

    async def _run_and_reset(self, scope: Scope, receive: Receive) -> None:
        async def drop(_: Message) -> None:
            """The answer goes nowhere."""

        await self._app(scope, receive, drop)
        await _reset(receive)


def operation_of(method: str, path: str) -> str:
    """`storage download`, `auth token`, `rest get`… for a request."""
    parts = path.strip("/").split("/")
    service, rest = parts[0], parts[2:]
    if service == "storage" and rest[:1] == ["object"]:
        action = rest[1] if len(rest) > 1 else ""
        if method in ("GET", "HEAD") and action == "sign":
            return "storage download"
        if action == "upload":
            return "storage upload" if method == "PUT" else "storage sign"
        return f"storage {STORAGE_ACTIONS.get(action) or STORAGE_VERBS.get(method, method.lower())}"
    if service == "rest":
        return "rest rpc" if rest[:1] == ["rpc"] else f"rest {method.lower()}"
    return " ".join([service, *rest[:1]])


def routes(faults: Faults, keys: Keys) -> list[BaseRoute]:
    """The two calls of tests."""

    async def change(request: Request) -> Response:
        try:
            claims = resolve(keys, request.headers, request.query_params)
        except CallerError as error:
            return JSONResponse({"message": error.message}, 401)
        if claims["role"] != "service_role":
            return JSONResponse({"message": "Faults need the secret key"}, 403)
        if request.method == "DELETE":
            faults.orders.clear()
            return Response(status_code=204)
        try:
            faults.orders.append(Fault.model_validate_json(await request.body()))
        except ValidationError as error:
            return JSONResponse({"message": str(error)}, 422)
        return Response(status_code=204)

    return [Route("/local/faults", change, methods=["POST", "DELETE"])]


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _reset(receive: Receive) -> None:
    """Ends the connection with a TCP reset. Uvicorn's `receive` is a method of the cycle that holds the transport."""
    transport: Any = getattr(getattr(receive, "__self__", None), "transport", None)
    if transport is None:
        raise RuntimeError("the server in use cannot reset a connection")
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    await _disconnected(receive)

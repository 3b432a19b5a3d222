"""An app written for Edge Functions, through unmodified supabase-py: the steps of ../js/functions.mjs."""

from typing import Any

import httpx
import orjson
from supabase import AsyncClient
from supabase_functions.errors import FunctionsError
from yarl import URL

from tests.contract.functions.places import Place
from tests.support.customers import CALL_SECONDS
from tests.support.waiting import eventually

Facts = dict[str, dict[str, Any]]


async def run(user: AsyncClient, nobody: AsyncClient, photo: str, functions: Place, away: Place) -> Facts:
    """The facts of each step, in order."""

    def ask(age: int) -> dict[str, Any]:
        return {"toolId": "age", "toolParameters": {"age": age}, "originalImageStoragePath": photo}

    async def finished(name: str, body: Any, **headers: str) -> dict[str, Any]:
        return dict(await invoke(user, functions, name, body, **headers))

    facts: Facts = {}
    picture = await finished("process-image", ask(30))
    async with httpx.AsyncClient(trust_env=False) as anybody:
        seen = (await anybody.get(picture["imageUrl"])).status_code
    facts["picture"] = {
        "status": picture["status"],
        "cached": picture["cached"],
        "error": picture["error"],
        "cost": picture["creditCost"],
        "seen_by_anybody": seen,
    }
    again = await finished("process-image", ask(30))
    facts["again"] = {"cached": again["cached"], "same": again["id"] == picture["id"]}
    analysis = await finished("analyze-face", {"originalImageStoragePath": photo})
    facts["analysis"] = {"status": analysis["status"], "members": len(analysis["result"])}
    written = await finished("process-image", orjson.dumps(ask(31)).decode())
    facts["json_written_by_the_app"] = {"status": written["status"]}

    early = await finished("process-image", ask(32), Prefer="wait=0")
    facts["not_waiting"] = {"open": early["status"] in ("queued", "processing"), "picture": early["imageUrl"]}
    row: Any = None

    async def ended() -> bool:
        nonlocal row
        found = await user.from_("generations").select("status, image_path").eq("id", early["id"]).single().execute()
        row = found.data
        return row["status"] not in ("queued", "processing")

    await eventually(ended)
    facts["not_waiting_ends"] = {"status": row["status"], "picture": row["image_path"] is not None}

    facts["wrong_parameter"] = await _refused(user, functions, ask(200))
    facts["signed_out"] = await _refused(nobody, functions, ask(33))
    facts["intake_away"] = await _refused(user, away, ask(34))
    return facts


async def invoke(client: AsyncClient, place: Place, name: str, body: Any, **headers: str) -> Any:
    client.functions_url = URL(place[name])
    client.options.function_client_timeout = int(CALL_SECONDS)  # five seconds, unless an app says otherwise
    client._functions = None
    return await client.functions.invoke(name, {"body": body, "responseType": "json", "headers": headers})


async def _refused(client: AsyncClient, place: Place, body: Any) -> dict[str, Any]:
    """supabase-py keeps no body; the answer that caused the error has it."""
    try:
        data = await invoke(client, place, "process-image", body)
    except FunctionsError as error:
        cause = error.__cause__
        # Of a relay error, the text is the message.
        text = cause.response.text if isinstance(cause, httpx.HTTPStatusError) else error.message
        problem = orjson.loads(text)
        return {"data": None, "error": error.name, "status": error.status, "code": problem["code"]}
    return {"data": data}

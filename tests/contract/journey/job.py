"""The main job: ask the intake, be told by Realtime, get the picture; again from the cache; an analysis; delete."""

from typing import Any

import httpx

from tests.contract.journey.events import Channels
from tests.contract.journey.journey import Journey, refusal
from tests.contract.journey.waiting import until

TOOL, PARAMETERS = "hairstyle", {"style": "female-short-1", "color": "e91e63"}


async def job(journey: Journey, channels: Channels) -> None:
    channels.heard.items.clear()
    generation = await _picture(journey, channels)
    await _cached(journey, generation)
    await _analysis(journey)
    await _refused(journey, generation)
    await _notifications(journey)
    await _ledger(journey)
    await _delete(journey, generation)


async def _picture(journey: Journey, channels: Channels) -> dict[str, Any]:
    heard = channels.heard
    answer = await _post(journey, "/v1/process-image", _request(journey))
    submitted = answer.json()
    journey.facts["submit"] = {
        "status": answer.status_code,
        "location": answer.headers["location"].endswith(f"/v1/generations/{submitted['id']}"),
        "generation": submitted["status"],
        "cached": submitted["cached"],
        "cost": submitted["creditCost"],
        "fields": sorted(submitted),
    }
    told = await heard.first(channel="account", table="notifications")
    balance = await heard.first(channel="account", table="users")
    journey.facts["told_by_changes"] = {
        "type": told["type"],
        "columns": sorted(told["new"]),
        "status": told["new"]["params"]["status"],
        "of_this_generation": told["new"]["params"]["generationId"] == submitted["id"],
        "credits": balance["new"]["credits"],
    }
    ended = await heard.first_where(
        lambda item: item.get("event") == "generation" and item["payload"]["status"] == "succeeded"
    )
    for event in ("notification", "balance"):
        await heard.first(channel="private", event=event)
    journey.facts["told_by_broadcast"] = {
        "events": sorted({item["event"] for item in heard.all(channel="private", kind="broadcast")}),
        "statuses": [item["payload"]["status"] for item in heard.all(channel="private", event="generation")],
        "of_this_generation": ended["payload"]["generationId"] == submitted["id"],
        "balance": heard.all(channel="private", event="balance")[-1]["payload"]["credits"],
    }
    generation: dict[str, Any] = (await _get(journey, f"/v1/generations/{submitted['id']}")).json()
    row: Any = (
        await journey.own.client.table("generations")
        .select("id, status, image_path")
        .eq("id", submitted["id"])
        .single()
        .execute()
    )
    bucket = journey.own.client.storage.from_("generations")
    picture = await journey.http.get(generation["imageUrl"])
    journey.facts["picture"] = {
        "status": generation["status"],
        "row": row.data["status"],
        "public_url": await bucket.get_public_url(row.data["image_path"]) == generation["imageUrl"],
        "download": picture.status_code,
        "type": picture.headers["content-type"].partition("/")[0],
        "changed": picture.content != journey.photo,
        "own_list": len(await bucket.list(journey.own.id)),
        "neighbours_list": len(await journey.neighbour.client.storage.from_("generations").list(journey.own.id)),
        "remove": await bucket.remove([row.data["image_path"]]),
    }
    return generation


async def _cached(journey: Journey, generation: dict[str, Any]) -> None:
    answer = await _post(journey, "/v1/process-image", _request(journey))
    body = answer.json()
    journey.facts["submit_again"] = {
        "status": answer.status_code,
        "cached": body["cached"],
        "same": [body["id"] == generation["id"], body["imageUrl"] == generation["imageUrl"]],
        "credits": await _credits(journey),
    }


async def _analysis(journey: Journey) -> None:
    path = f"{journey.own.id}/file.jpg"
    answer = await _post(journey, "/v1/analyze-face", {"originalImageStoragePath": path}, {"Prefer": "wait=60"})
    body = answer.json()
    journey.facts["analysis"] = {
        "status": answer.status_code,
        "generation": body["status"],
        "picture": body["imageUrl"],
        "result": sorted(body["result"]),
        "credits": await _credits(journey),
    }


async def _refused(journey: Journey, generation: dict[str, Any]) -> None:
    path = f"/v1/generations/{generation['id']}"
    theirs = {**_request(journey), "originalImageStoragePath": f"{journey.neighbour.id}/theirs.jpg"}
    missing = {**_request(journey), "originalImageStoragePath": f"{journey.own.id}/missing.jpg"}
    neighbour = await journey.neighbour.client.auth.get_session()
    assert neighbour is not None
    as_neighbour = {"Authorization": f"Bearer {neighbour.access_token}"}
    nobody = await journey.http.get(journey.site.intake_url + path)
    seen = await journey.http.get(journey.site.intake_url + path, headers=as_neighbour)
    journey.facts["refused_by_the_intake"] = {
        "cancel_finished": _problem(await _post(journey, f"{path}/cancel")),
        "somebody_elses_photo": _problem(await _post(journey, "/v1/process-image", theirs)),
        "missing_photo": _problem(await _post(journey, "/v1/process-image", missing)),
        "unknown_tool": _problem(await _post(journey, "/v1/process-image", {**_request(journey), "toolId": "nose"})),
        "no_token": _problem(nobody),
        "somebody_elses_generation": _problem(seen),
    }


async def _notifications(journey: Journey) -> None:
    client, own = journey.own.client, journey.own.id
    unread: Any = await client.table("notifications").select("type, params").eq("read", "false").order("id").execute()
    update: Any = client.table("notifications").update({"read": True}).eq("user_id", own)
    marked = await update.select("id, read").execute()
    forged: Any = client.table("notifications").update({"title_key": "x"}).eq("user_id", own)
    left = await client.table("notifications").select("id").eq("read", "false").execute()
    journey.facts["notifications"] = {
        "unread": [[row["type"], row["params"]["toolId"], row["params"]["status"]] for row in unread.data],
        "marked": [row["read"] for row in marked.data],
        "left": len(left.data),
        "forged": await refusal(forged.select("id").execute()),
    }


async def _ledger(journey: Journey) -> None:
    rows = await journey.own.client.table("credit_usage").select("kind, amount, balance_after").order("id").execute()
    journey.facts["ledger"] = {"rows": rows.data}


async def _delete(journey: Journey, generation: dict[str, Any]) -> None:
    path = f"/v1/generations/{generation['id']}"
    deleted = await journey.http.delete(journey.site.intake_url + path, headers=await _headers(journey))
    bucket = journey.own.client.storage.from_("generations")
    journey.facts["delete"] = {
        "status": deleted.status_code,
        "picture": await until(lambda: journey.status(generation["imageUrl"]), lambda status: status != 200),
        "listed": len(await bucket.list(journey.own.id)),
        "generation": _problem(await _get(journey, path)),
        "again": (
            await journey.http.delete(journey.site.intake_url + path, headers=await _headers(journey))
        ).status_code,
        "left": [each["toolId"] for each in (await _get(journey, "/v1/generations")).json()["generations"]],
        "credits": await _credits(journey),
    }


def _request(journey: Journey) -> dict[str, Any]:
    path = f"{journey.own.id}/file.jpg"
    return {"toolId": TOOL, "toolParameters": PARAMETERS, "originalImageStoragePath": path}


def _problem(answer: httpx.Response) -> str:
    return f"{answer.status_code} {answer.json()['code']}"


async def _credits(journey: Journey) -> int:
    row: Any = await journey.own.client.table("users").select("credits").single().execute()
    return int(row.data["credits"])


async def _headers(journey: Journey) -> dict[str, str]:
    return {"Authorization": f"Bearer {await journey.token()}"}


async def _post(
    journey: Journey, path: str, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> httpx.Response:
    return await journey.http.post(
        journey.site.intake_url + path, json=body, headers={**await _headers(journey), **(headers or {})}
    )


async def _get(journey: Journey, path: str) -> httpx.Response:
    return await journey.http.get(journey.site.intake_url + path, headers=await _headers(journey))

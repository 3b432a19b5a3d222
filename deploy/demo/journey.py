"""The main job as a client does it: sign up, portrait, request, Realtime, picture; the cache; analysis; a purchase."""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from supabase import AsyncClient

from deploy.demo.listener import Listener
from deploy.demo.purchase import buy_credits
from deploy.demo.steps import Steps

RESULT_SECONDS = 150.0
MAIL_SECONDS = 5.0
TOOL = "hairstyle"
PARAMETERS = {"style": "female-short-1", "color": "e91e63"}


@dataclass(frozen=True)
class Backend:
    """Where the client finds everything."""

    supabase: AsyncClient
    supabase_url: str
    intake: httpx.AsyncClient
    paymob_url: str | None


async def run_journey(backend: Backend, steps: Steps, portrait: bytes, folder: Path) -> dict[str, Any]:
    """Do it all; answers what `demo.json` holds besides the steps. Raises when anything is not as promised."""
    supabase, listener = backend.supabase, Listener()
    email = f"demo-{secrets.token_hex(4)}@example.com"
    async with steps.step("sign_up", "Sign up") as step:
        await supabase.auth.sign_up({"email": email, "password": secrets.token_urlsafe(16)})
        step.note = email
    async with steps.step("read_code", "Read the 6-digit code from the mail") as step:
        code = await _mailed_code(backend, email)
        step.note = code
    async with steps.step("verify", "Verify the code"):
        answer = await supabase.auth.verify_otp({"email": email, "token": code, "type": "signup"})
    if answer.user is None or answer.session is None:
        raise RuntimeError("the code did not sign the user in")
    user_id = answer.user.id
    backend.intake.headers["Authorization"] = f"Bearer {answer.session.access_token}"
    credits_before = await _credits(supabase, user_id)

    async with steps.step("subscribe", "Listen on Realtime"):
        await listener.subscribe(supabase, user_id)
    async with steps.step("upload", "Upload the portrait") as step:
        path = f"{user_id}/portrait.jpg"
        await supabase.storage.from_("user_uploads").upload(path, portrait, {"content-type": "image/jpeg"})
        step.note = f"{len(portrait) // 1024} kB"
    request = {"toolId": TOOL, "toolParameters": PARAMETERS, "originalImageStoragePath": path}
    async with steps.step("submit", "Submit: Chic Bob in pink") as step:
        submitted = await _post(backend, "/v1/process-image", request, 202)
        step.note = submitted["status"]
    async with steps.step("result", "Wait for Realtime to tell the result") as step:
        step.note = await listener.ended(submitted["id"], RESULT_SECONDS)
    generation = await _succeeded(backend, submitted["id"])
    async with steps.step("download", "Download the picture"):
        picture = (await backend.intake.get(generation["imageUrl"])).raise_for_status()
    after = folder / f"after.{picture.headers['content-type'].partition('/')[2]}"
    await asyncio.to_thread(after.write_bytes, picture.content)
    async with steps.step("balance", "Hear the new balance on Realtime") as step:
        await listener.balance_is(credits_before - 1, MAIL_SECONDS)
        step.note = f"{credits_before} → {listener.balance} credits"
    credits_after = await _credits(supabase, user_id)

    async with steps.step("submit_again", "Submit the same again") as step:
        cached = await _post(backend, "/v1/process-image", request, 200)
        step.note = "cached, no charge"
    if not cached["cached"] or await _credits(supabase, user_id) != credits_after:
        raise RuntimeError("the same request was not answered from the cache for nothing")

    async with steps.step("submit_analysis", "Submit a face analysis"):
        submitted = await _post(backend, "/v1/analyze-face", {"originalImageStoragePath": path}, 202)
    async with steps.step("analysis", "Wait for the analysis") as step:
        step.note = await listener.ended(submitted["id"], RESULT_SECONDS)
    analysis = await _succeeded(backend, submitted["id"])
    await listener.balance_is(credits_after - 1, MAIL_SECONDS)
    sells = backend.paymob_url is not None  # a real checkout page is for people
    return {
        "purchase": await buy_credits(backend.intake, steps, listener, credits_after - 1) if sells else None,
        "credits": {"before": credits_before, "after": credits_after},
        "generation": generation,
        "cached": cached,
        "analysis": analysis,
        "realtime": listener.events,
        "images": {"before": str(folder / "before.jpg"), "after": str(after)},
    }


async def _mailed_code(backend: Backend, email: str) -> str:
    """The code of the newest mail to this address, from the local outbox."""
    async with asyncio.timeout(MAIL_SECONDS):
        while True:
            mails = (await backend.intake.get(f"{backend.supabase_url}/outbox")).raise_for_status().json()
            for mail in reversed(mails):
                if mail["to"] == email:
                    return str(mail["code"])
            await asyncio.sleep(0.05)


async def _credits(supabase: AsyncClient, user_id: str) -> int:
    row = await supabase.table("users").select("credits").eq("id", user_id).single().execute()
    return int(row.data["credits"])  # type: ignore[index, call-overload, arg-type]


async def _post(backend: Backend, path: str, body: dict[str, Any], status: int) -> dict[str, Any]:
    answer = await backend.intake.post(path, json=body)
    if answer.status_code != status:
        raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text}")
    return dict(answer.json())


async def _succeeded(backend: Backend, generation_id: str) -> dict[str, Any]:
    """Fetch it: an event is a hint, the intake's answer is the truth."""
    generation = (await backend.intake.get(f"/v1/generations/{generation_id}")).raise_for_status().json()
    if generation["status"] != "succeeded":
        raise RuntimeError(f"the generation ended as {generation['status']}: {generation['error']}")
    return dict(generation)
